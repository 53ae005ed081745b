package video

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/maixstream/maixstream/pipeline/internal/handoff"
)

// Reader reads a log at its own pace: runs of units that follow each other, each run from a key frame on. One goroutine uses it at a time.
type Reader struct {
	log  *Log
	list *handoff.Reader
	lag  time.Duration
	next uint64 // sequence of the first unit that it has not had
	lost bool   // it waits for a key frame
}

// NewReader returns a reader that starts at a key frame: the newest one if that is not older than lag, otherwise one that is requested. lag is how far behind the
// newest unit it may be, too, before it is moved; 0: the log's.
func (l *Log) NewReader(lag time.Duration) *Reader { return l.Subscribe(lag, nil) }

// Subscribe returns a reader whose wake is called after each unit is published and when the log is closed, in the producer's goroutine: it must
// neither block nor allocate. lag as NewReader's.
func (l *Log) Subscribe(lag time.Duration, wake func()) *Reader {
	if lag == 0 {
		lag = l.lag
	}
	return &Reader{log: l, list: l.readers.Add(wake), lag: lag, next: 1, lost: true}
}

// SetLag changes how far behind the newest unit the reader may be, like NewReader's lag. Only the reader's goroutine calls it.
func (r *Reader) SetLag(lag time.Duration) {
	if lag == 0 {
		lag = r.log.lag
	}
	r.lag = lag
}

// Close ends the reader; units that it holds stay valid until they are released. It may be called twice.
func (r *Reader) Close() { r.log.readers.Remove(r.list) }

// TryNext fills u with the next unit, if there is one for this reader now. A reader that is too far behind, or that has just come, gets the newest key
// frame that it has not had if that is not too old, and otherwise nothing until the one that is requested for it comes. u must be released; what
// it held before must have been.
func (r *Reader) TryNext(u *Unit) bool {
	l := r.log
	if l.closed.Load() {
		return false
	}
	last := l.last.Load()
	if !r.lost {
		if last < r.next {
			return false
		}
		if r.take(u, r.next) {
			return true
		}
		r.lost = true
	}
	if key := l.lastKey.Load(); key >= r.next && r.take(u, key) {
		r.lost = false
		return true
	}
	l.RequestKey()
	return false
}

// take fills u with a unit if it is there and not too old.
func (r *Reader) take(u *Unit, sequence uint64) bool {
	e := r.log.acquire(sequence)
	if e == nil {
		return false
	}
	if r.log.newest.Load()-e.since > int64(r.lag) {
		e.Release()
		return false
	}
	*u = Unit{entry: e, Skipped: sequence - r.next}
	r.next = sequence + 1
	return true
}

var errNothing = errors.New("video: next: no context or no unit")

// Next waits for the reader's next unit. It returns ctx's error or ErrClosed.
func (r *Reader) Next(ctx context.Context, u *Unit) error {
	if ctx == nil || u == nil {
		return errNothing
	}
	for {
		if r.TryNext(u) {
			return nil
		}
		if r.log.closed.Load() {
			return ErrClosed
		}
		select {
		case <-r.list.Updates():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Updates has a value after each published unit that TryNext has not been asked for since; for a select. Only of NewReader's readers.
func (r *Reader) Updates() <-chan struct{} { return r.list.Updates() }

// Unit is one reader's hold on one access unit. Its bytes are read-only and valid until Release. It must not be copied.
type Unit struct {
	entry *entry
	// Skipped is how many units the reader did not get between its last one and this one, which is a key frame then. For a reader's first
	// unit it counts all before.
	Skipped uint64
}

// Meta describes the unit; valid until Release.
func (u *Unit) Meta() *Meta { return &u.entry.meta }

// Bytes returns the NAL units, each with its length before it as four bytes, big endian: the form that MP4 takes (ISO/IEC 14496-15, lengthSizeMinusOne
// 3). Valid until Release, not to be written.
func (u *Unit) Bytes() []byte { return u.entry.bytes }

// NALs iterates over the NAL units, without lengths; valid until Release, read-only.
func (u *Unit) NALs(yield func(nal []byte) bool) {
	for rest := u.entry.bytes; len(rest) >= 4; {
		n := 4 + int(binary.BigEndian.Uint32(rest))
		if !yield(rest[4:n:n]) {
			return
		}
		rest = rest[n:]
	}
}

// Held reports whether u holds a unit.
func (u *Unit) Held() bool { return u.entry != nil }

// Share takes a second hold on the same unit, to be released separately.
func (u *Unit) Share(other *Unit) {
	u.entry.Share()
	*other = Unit{entry: u.entry, Skipped: u.Skipped}
}

// Release ends the hold. It may be called twice, and on the zero Unit.
func (u *Unit) Release() {
	if e := u.entry; e != nil {
		u.entry = nil
		e.Release()
	}
}
