// Package toolchain_test tests the scripts of this folder and, with -tags device, the program built by make device.
package toolchain_test

import (
	"os"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }
