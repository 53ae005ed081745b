// Package stdin opens standard input as a stream that can be peeked at, and closed during a read.
package stdin

import (
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Input is standard input. One goroutine reads; any may call Close.
type Input struct {
	file *os.File
	head []byte // read already, not yet returned
}

var _ io.ReadCloser = (*Input)(nil)

// Head waits for the first n bytes and returns them without consuming them. It returns fewer at the end of the input or after the given time: the
// writer may take arbitrarily long to begin.
func (in *Input) Head(n int, within time.Duration) []byte {
	if in.file.SetReadDeadline(time.Now().Add(within)) == nil { // else reads do not block
		defer func() { _ = in.file.SetReadDeadline(time.Time{}) }()
	}
	for len(in.head) < n {
		in.head = slices.Grow(in.head, n)
		got, err := in.file.Read(in.head[len(in.head):n])
		in.head = in.head[:len(in.head)+got]
		if err != nil {
			break // the next Read returns it again
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

// returned is what was read from standard input and put back for the next Open; global, as standard input is.
var returned struct {
	sync.Mutex
	bytes []byte
}

// Return puts back the bytes read last, for the next Open.
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
