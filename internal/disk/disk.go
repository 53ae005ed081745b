// Package disk keeps data on a disk below a limit and within the free space, by deleting the oldest first.
package disk

import (
	"errors"
	"syscall"
)

// ErrNoRoom is returned if nothing is left to delete and there is still not enough room.
var ErrNoRoom = errors.New("no room")

// IsFull reports whether err means that the disk, or the user's quota on it, is full.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// MakeRoom calls dropOldest until used plus need is within limit. dropOldest deletes one item and reports whether there was anything to delete;
// its errors are returned. MakeRoom returns ErrNoRoom if nothing is left to delete.
func MakeRoom(limit, need int64, used func() int64, dropOldest func() (bool, error)) error {
	for used()+need > limit {
		if dropped, err := dropOldest(); err != nil {
			return err
		} else if !dropped {
			return ErrNoRoom
		}
	}
	return nil
}

// Write calls write until it succeeds or fails for a reason other than a full disk; after each failure of that kind dropOldest makes room as in
// MakeRoom. If nothing is left to delete, write's error is returned.
func Write(write func() error, dropOldest func() (bool, error)) error {
	for {
		full := write()
		if full == nil || !IsFull(full) {
			return full
		}
		if dropped, err := dropOldest(); err != nil {
			return errors.Join(full, err)
		} else if !dropped {
			return full
		}
	}
}
