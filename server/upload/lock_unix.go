//go:build unix

package upload

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes f for this process until it is closed, kill -9 included.
func lock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
