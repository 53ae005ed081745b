package server_test

import (
	"os"
	"strings"
	"testing"
)

// Some tests, and the benchmarks, run the test binary again in a role of its own: what is measured is then that process's alone.
const roleVariable = "MAIXSTREAM_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := strings.Fields(os.Getenv(roleVariable)); {
	case len(role) == 0:
		os.Exit(m.Run())
	case role[0] == "activated":
		activatedRole()
	case role[0] == "viewers":
		viewersRole(role[1], number(role[2]), number(role[3]))
	default:
		serverRole(role[0], role[1], number(role[2]), number(role[3]), number(role[4]))
	}
}
