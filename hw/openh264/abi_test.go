//go:build linux && cgo

package openh264

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// Our own declarations match the library's headers, if those are installed (libopenh264-dev).
func TestDeclarationsMatchTheLibrarys(t *testing.T) {
	const headers = "/usr/include/wels"
	if _, err := os.Stat(headers); err != nil {
		testenv.Missing(t, "libopenh264-dev", "make setup-test")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command("cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Werror", "-isystem", headers, "-I", here, filepath.Join("testdata", "abi_check.c"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", check, err, out)
	}
}
