package skips

import (
	"os"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

func TestMissing(t *testing.T)  { testenv.Program(t, "no-such-program") }
func TestMissing2(t *testing.T) { testenv.Program(t, "no-such-program") }
func TestLong(t *testing.T)     { testenv.Long(t, "takes a week") }
