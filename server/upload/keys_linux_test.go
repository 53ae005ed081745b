package upload_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe in place of a device's keys is neither opened, which would wait for ever, nor replaced, before and after a restart.
func TestPipeInPlaceOfKeys(t *testing.T) {
	dir := t.TempDir()
	for restart := range 2 {
		s := receive(t, dir, nil)
		if restart == 0 {
			postOK(t, s, "?device=cam", jpegOf(t, 1), nil)
			if err := unix.Mkfifo(filepath.Join(dir, "cam", ".keys"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := post(t, s, "?device=cam", bytes.NewReader(jpegOf(t, 2)), headers{"Idempotency-Key": "k"})
		if a.OK || !strings.Contains(a.Error, "is not a regular file") {
			t.Errorf("restart %d: %+v", restart, a)
		}
		postOK(t, s, "?device=cam", jpegOf(t, 3), nil)
		if info, err := os.Lstat(filepath.Join(dir, "cam", ".keys")); err != nil || info.Mode().Type() != os.ModeNamedPipe {
			t.Errorf("the pipe has become %v (%v)", info, err)
		}
		stop(t, s)
	}
}
