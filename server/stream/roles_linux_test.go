package stream_test

import (
	"os"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// Some tests re-execute the test binary in a role.
const roleVariable = "MAIXSTREAM_TEST_ROLE"

func TestMain(m *testing.M) {
	load.RunIfChild()
	if os.Getenv(roleVariable) == "activated" {
		activatedRole()
		return
	}
	os.Exit(testenv.Main(m).Run())
}
