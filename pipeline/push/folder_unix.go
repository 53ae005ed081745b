//go:build unix

package push

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFolder makes a directory's entries durable. File systems that cannot return EINVAL; they keep them in order themselves.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
