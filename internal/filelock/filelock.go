// Package filelock locks files against other processes. The system releases a lock when its process ends, for whatever reason.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld is wrapped by the error of a lock that another process holds.
var ErrHeld = errors.New("held by another process")

// Open opens the file, creating it if necessary, and locks it. Closing the file releases the lock. The error wraps ErrHeld if another process, or another
// Open in this process, holds the lock. On systems without such locks the file is opened without a lock.
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
