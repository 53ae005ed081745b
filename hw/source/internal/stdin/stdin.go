// Package stdin opens standard input as a stream that can be looked into before it is read, and closed under a read.
package stdin

import (
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Input is standard input. One goroutine reads; Close may come from any.
type Input struct {
	file *os.File
	head []byte // read already, not given out
}

var _ io.ReadCloser = (*Input)(nil)

// Head waits for the first n bytes and returns them; they are read again after that. It returns fewer when the input ends, or when some time has gone: who
// writes may take as long as it likes to begin.
func (in *Input) Head(n int, within time.Duration) []byte {
	if in.file.SetReadDeadline(time.Now().Add(within)) == nil { // else it is nothing that makes one wait
		defer func() { _ = in.file.SetReadDeadline(time.Time{}) }()
	}
	for len(in.head) < n {
		in.head = slices.Grow(in.head, n)
		got, err := in.file.Read(in.head[len(in.head):n])
		in.head = in.head[:len(in.head)+got]
		if err != nil {
			break // an end comes again
		}
	}
	return in.head[:min(n, len(in.head))]
}

// Read implements io.Reader.
func (in *Input) Read(p []byte) (int, error) {
	if len(in.head) > 0 {
		n := copy(p, in.head)
		in.head = in.head[n:]
		return n, nil
	}
	return in.file.Read(p)
}

// returned is what was read of standard input and is for the next Open: there is one standard input.
var returned struct {
	sync.Mutex
	bytes []byte
}

// Return keeps bytes that were read, the last ones, for the next Open.
func (in *Input) Return(b []byte) {
	returned.Lock()
	defer returned.Unlock()
	returned.bytes = append(slices.Clone(b), in.head...)
	in.head = nil
}

func takeReturned() []byte {
	returned.Lock()
	defer returned.Unlock()
	b := returned.bytes
	returned.bytes = nil
	return b
}
