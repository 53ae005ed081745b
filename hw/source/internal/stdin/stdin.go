// Package stdin is standard input as a stream that can be looked into before it is read, and closed under a read.
package stdin

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// coded: see WasH264.
var coded atomic.Bool

// WasH264 says whether standard input was found to be H.264. One that is opened again may be in the middle of a unit, which tells nothing.
func WasH264() bool { return coded.Load() }

// NoteH264 notes that standard input is H.264.
func NoteH264() { coded.Store(true) }

// Input is standard input. Close ends a read that waits.
type Input struct {
	in   io.ReadCloser
	head []byte // was looked at, and is to be read
}

// Read implements io.Reader.
func (i *Input) Read(b []byte) (int, error) {
	if len(i.head) > 0 {
		n := copy(b, i.head)
		i.head = i.head[n:]
		return n, nil
	}
	return i.in.Read(b)
}

// Close implements io.Closer.
func (i *Input) Close() error { return i.in.Close() }

// Peek returns the first bytes, at least enough if they come within a time, and up to most. It returns what there is when the time is over (nothing: it is not known yet
// what comes), and io.EOF if nothing comes any more. To be called before Read.
func (i *Input) Peek(enough, most int, within time.Duration) ([]byte, error) {
	timed, ok := i.in.(interface{ SetReadDeadline(t time.Time) error })
	if ok && timed.SetReadDeadline(time.Now().Add(within)) == nil {
		defer func() { _ = timed.SetReadDeadline(time.Time{}) }()
	} // else it is no pipe, and does not wait
	buffer := make([]byte, 0, most)
	var err error
	for len(buffer) < enough && err == nil {
		var n int
		n, err = i.in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
	}
	i.head = buffer
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return buffer, err
}
