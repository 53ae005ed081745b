// Package filelock locks files against other processes. The system releases a lock when its process ends, however that happens.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld is wrapped by the error of a lock that another process holds.
var ErrHeld = errors.New("held by another process")

// Open opens the file, makes it where there is none, and locks it. Closing the file releases the lock. An error wraps ErrHeld when another process, or another
// Open of this one, holds the lock. On systems without such locks the file is opened and nothing is locked.
func Open(name string, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, mode)
	if err != nil {
		return nil, err
	}
	if err := Lock(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
