// Package disk keeps what is on a disk below a limit, and below what the disk has: the oldest goes first.
package disk

import (
	"errors"
	"syscall"
)

// ErrNoRoom: there is nothing left to delete, and still not enough room.
var ErrNoRoom = errors.New("no room")

// IsFull says whether an error means that the disk, or the user's share of it, is full.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// MakeRoom calls dropOldest until used and need are together within limit. dropOldest deletes something and returns whether there was anything to delete;
// its errors are MakeRoom's. The error is ErrNoRoom when nothing is left.
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

// Write calls write until it succeeds or fails for another reason than a full disk; after each time that the disk was full, dropOldest makes room as in
// MakeRoom. When nothing is left to delete, the error is write's.
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
