package picture

import (
	"errors"
	"io"
	"sync/atomic"
)

// Encoded is a picture as a file's bytes: JPEG or PNG. Its memory comes from a pool and goes back there with Release; one that is forgotten is the garbage collector's.
//
// Bytes, Borrow, WriteTo, Len and Release may be called from any goroutine, but Release only when nothing uses what Borrow gave. In a build with the tag
// poison the memory of a released picture is made inaccessible (on Linux; elsewhere it is overwritten), so that a use after release faults where it happens.
type Encoded struct {
	contentType   string
	width, height int
	data          []byte
	memory        []byte // all of what data is the beginning of
	released      atomic.Bool
}

var _ io.WriterTo = (*Encoded)(nil)

func newEncoded(contentType string, width, height, size int) *Encoded {
	memory := takeMemory(size)
	return &Encoded{contentType: contentType, width: width, height: height, data: memory[:size], memory: memory}
}

// ContentType returns "image/jpeg" or "image/png".
func (e *Encoded) ContentType() string { return e.contentType }

// Width returns the picture's width in pixels.
func (e *Encoded) Width() int { return e.width }

// Height returns the picture's height in pixels.
func (e *Encoded) Height() int { return e.height }

// Len returns the size in bytes; 0 after Release.
func (e *Encoded) Len() int { return len(e.Borrow()) }

// Bytes returns a copy, which is the caller's for good; nil after Release.
func (e *Encoded) Bytes() []byte {
	if b := e.Borrow(); b != nil {
		return append(make([]byte, 0, len(b)), b...)
	}
	return nil
}

// Borrow returns the bytes themselves, to be read until Release and never afterwards; nil after Release.
func (e *Encoded) Borrow() []byte {
	if e == nil || e.released.Load() {
		return nil
	}
	return e.data
}

// WriteTo writes the bytes to w, without a copy; after Release it writes nothing and returns io.ErrClosedPipe.
func (e *Encoded) WriteTo(w io.Writer) (int64, error) {
	b := e.Borrow()
	if b == nil {
		return 0, io.ErrClosedPipe
	}
	if w == nil {
		return 0, errors.New("picture: write: no writer")
	}
	n, err := w.Write(b)
	return int64(n), err
}

// Release gives the memory back. What Borrow gave must not be used from now on. It may be called twice.
func (e *Encoded) Release() {
	if e.released.CompareAndSwap(false, true) {
		giveMemory(e.memory)
	}
}
