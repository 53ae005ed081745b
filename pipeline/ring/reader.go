package ring

import (
	"context"
	"errors"

	"github.com/maixstream/maixstream/pipeline/internal/handoff"
)

// Reader reads a ring at its own pace: it always gets the newest frame that it has not had yet. One goroutine uses it at a time.
type Reader struct {
	ring *Ring
	list *handoff.Reader
	last uint64
}

// Subscribe returns a reader whose wake is called after each frame is published and when the ring is closed, in the producer's
// goroutine: it must neither block nor allocate. Close ends it.
func (r *Ring) Subscribe(wake func()) *Reader { return &Reader{ring: r, list: r.readers.Add(wake)} }

// NewReader returns a reader for Next and Updates.
func (r *Ring) NewReader() *Reader { return r.Subscribe(nil) }

// Close ends the reader; frames that it holds stay valid until they are released. It may be called twice.
func (rd *Reader) Close() { rd.ring.readers.Remove(rd.list) }

// TryNext stores the newest frame in f if the reader has not had it yet. f must be released, and its previous frame must have been.
func (rd *Reader) TryNext(f *Frame) bool {
	s := rd.ring.acquire()
	if s == nil {
		return false
	}
	*f = Frame{ring: rd.ring, slot: s}
	if s.meta.Sequence <= rd.last {
		f.Release()
		return false
	}
	f.Skipped = s.meta.Sequence - rd.last - 1
	rd.last = s.meta.Sequence
	return true
}

var errNothing = errors.New("ring: next: no context or no frame")

// Next waits for a frame newer than the last one. It returns ctx's error or ErrClosed.
func (rd *Reader) Next(ctx context.Context, f *Frame) error {
	if ctx == nil || f == nil {
		return errNothing
	}
	for {
		if rd.TryNext(f) {
			return nil
		}
		if rd.ring.closed.Load() {
			return ErrClosed
		}
		select {
		case <-rd.list.Updates():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Updates has a value after each published frame that TryNext has not been asked for since; for a select. Only of NewReader's readers.
func (rd *Reader) Updates() <-chan struct{} { return rd.list.Updates() }

// Frame is one reader's hold on one published frame. Its bytes are read-only and valid until Release. It must not be copied.
type Frame struct {
	ring *Ring
	slot *slot
	// Skipped is how many frames were published between this reader's last one and this one. For a reader's first frame it counts
	// those published before.
	Skipped uint64
}

// Meta describes the frame; valid until Release.
func (f *Frame) Meta() *Meta { return &f.slot.meta }

// JPEG returns the picture's bytes; valid until Release, not to be written.
func (f *Frame) JPEG() []byte { return f.slot.jpeg }

// Part returns the picture with its envelope around it, one piece of memory; valid until Release, not to be written.
func (f *Frame) Part() []byte { return f.slot.part }

// Held reports whether f holds a frame.
func (f *Frame) Held() bool { return f.slot != nil }

// Share takes a second hold on the same frame, to be released separately.
func (f *Frame) Share(other *Frame) {
	f.slot.Share()
	*other = Frame{ring: f.ring, slot: f.slot, Skipped: f.Skipped}
}

// Release ends the hold. It may be called twice, and on the zero Frame.
func (f *Frame) Release() {
	s, r := f.slot, f.ring
	if s == nil {
		return
	}
	f.slot = nil
	s.Release()
	if r.closed.Load() {
		r.free()
	}
}
