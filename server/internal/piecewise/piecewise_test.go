package piecewise_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/maixstream/maixstream/server/internal/piecewise"
)

// limited is a connection that takes as many bytes after each deadline as a reader that is just fast enough, and fails at a given byte.
type limited struct {
	got    bytes.Buffer
	budget int
	fails  int // 0: never
}

var errLimit = errors.New("more than one piece for a deadline")

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.budget {
		return 0, errLimit
	}
	l.budget -= len(b)
	if l.fails > 0 && l.got.Len()+len(b) >= l.fails {
		n, _ := l.got.Write(b[:l.fails-l.got.Len()])
		return n, errors.New("reset")
	}
	return l.got.Write(b)
}

func TestEachPieceHasItsOwnDeadline(t *testing.T) {
	for _, size := range []int{0, 1, piecewise.Size - 1, piecewise.Size, piecewise.Size + 1, 300_000} {
		b := make([]byte, size)
		_, _ = rand.Read(b)
		var l limited
		n, err := piecewise.Write(&l, b, func() error { l.budget = piecewise.Size; return nil })
		if n != size || err != nil || !bytes.Equal(l.got.Bytes(), b) {
			t.Errorf("%d bytes: wrote %d, %v", size, n, err)
		}
	}
}

func TestWriteEndsWithTheFirstError(t *testing.T) {
	b := make([]byte, 3*piecewise.Size)
	l := limited{fails: piecewise.Size + 5}
	n, err := piecewise.Write(&l, b, func() error { l.budget = piecewise.Size; return nil })
	if n != piecewise.Size+5 || err == nil {
		t.Errorf("a failing connection: wrote %d, %v", n, err)
	}
	closed := errors.New("closed")
	n, err = piecewise.Write(&l, b, func() error { return closed })
	if n != 0 || !errors.Is(err, closed) {
		t.Errorf("no deadline: wrote %d, %v", n, err)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	b := make([]byte, 3*piecewise.Size)
	var l limited
	l.got.Grow(1 << 20)
	extended := 0
	if n := testing.AllocsPerRun(100, func() {
		l.got.Reset()
		_, _ = piecewise.Write(&l, b, func() error { extended++; l.budget = piecewise.Size; return nil })
	}); n > 0 {
		t.Errorf("%v allocations for each message", n)
	}
	if extended == 0 {
		t.Error("no deadline was set")
	}
}
