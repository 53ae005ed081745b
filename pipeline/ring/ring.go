package ring

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/internal/handoff"
)

// ErrClosed is returned by reads of a ring that was closed.
var ErrClosed = errors.New("ring closed")

// Config is the shape of a Ring.
type Config struct {
	// Slots is how many frames exist at once, 3 to 4096: the newest, those being encoded and those that readers hold. 0: 32.
	Slots int
	// SlotSize is the largest JPEG in bytes. Address space for it is reserved a slot; memory is used only as far as a frame ever
	// filled it.
	SlotSize int
	// Envelope is put around each JPEG when it is published; the zero Envelope puts nothing.
	Envelope Envelope
}

// Envelope is placed directly before and after each JPEG in its slot, so that a reader that sends all three sends one
// piece of memory. The ring does not interpret it.
type Envelope struct {
	// HeadSize is the most bytes that Head appends.
	HeadSize int
	// Head appends the bytes before the JPEG to dst, which is empty and has HeadSize bytes of room. It runs in the
	// producer's goroutine once a frame and must not allocate. nil: none.
	Head func(dst []byte, m *Meta) []byte
	// Tail is copied after the JPEG.
	Tail []byte
}

// Meta describes a frame. It does not change while the frame is held.
type Meta struct {
	frame.Picture
	// Sequence increases by one with each frame published in this ring, from 1. It hides Picture.Sequence, which counts the source's pictures.
	Sequence uint64
	// Encoded is when the JPEG was complete, Published when readers could first see it.
	Encoded, Published time.Time
}

// Ring is a set of slots. Its memory is bounded by Slots x (SlotSize + envelope), of which only pages ever written count:
// in practice Slots x the largest JPEG so far. See the package documentation for the argument of its correctness.
type Ring struct {
	slots    []slot
	envelope Envelope
	slotSize int
	memory   []byte

	latest   atomic.Uint64 // a handoff.Ref to the newest frame; 0: none yet
	sequence uint64        // of the newest frame; the producer's own

	closed  atomic.Bool
	readers handoff.Readers
	mu      sync.Mutex // memory is given back
	sealed  []bool     // while closing: slots that nobody can reach any more
	freed   bool
}

type slot struct {
	handoff.Slot
	_     [56]byte // a cache line of its own: readers' reference counts must not slow the neighbours
	index int      // in Ring.slots
	meta  Meta
	room  []byte // head | JPEG | tail
	part  []byte // of room: what is filled
	jpeg  []byte // of part
}

// New returns a ring.
func New(c Config) (*Ring, error) {
	if c.Slots == 0 {
		c.Slots = 32
	}
	if c.Slots < 3 || c.Slots > 4096 {
		return nil, fmt.Errorf("ring: %d slots: out of range (3 to 4096)", c.Slots)
	}
	if c.SlotSize < 1 {
		return nil, fmt.Errorf("ring: slots of %d bytes: must be positive", c.SlotSize)
	}
	// JPEGs begin at cache lines: Go's memmove copies byte by byte on riscv64 when source and destination are not aligned alike.
	const line = 64
	c.Envelope.HeadSize = (c.Envelope.HeadSize + line - 1) &^ (line - 1)
	const page = 4096
	room := c.Envelope.HeadSize + c.SlotSize + len(c.Envelope.Tail)
	stride := (room + page - 1) &^ (page - 1)
	memory, err := allocate(stride * c.Slots)
	if err != nil {
		return nil, fmt.Errorf("ring: %d slots of %d bytes: %w", c.Slots, stride, err)
	}
	r := &Ring{slots: make([]slot, c.Slots), envelope: c.Envelope, slotSize: c.SlotSize, memory: memory}
	for i := range r.slots {
		r.slots[i].index = i
		r.slots[i].room = memory[i*stride : i*stride+room : i*stride+room]
	}
	return r, nil
}

// SlotSize returns the largest JPEG that a slot takes, in bytes.
func (r *Ring) SlotSize() int { return r.slotSize }

// Free returns how many slots the producer could reserve now. It is exact only if called by the producer.
func (r *Ring) Free() int {
	n := 0
	newest := handoff.Ref(r.latest.Load()).Index()
	for i := range r.slots {
		if i != newest && r.slots[i].Free() {
			n++
		}
	}
	return n
}

// Reservation is a slot that the producer fills. The zero Reservation is empty.
type Reservation struct{ slot *slot }

// Reserve takes a free slot for the next frame and returns false if all are held or being written: the frame must be dropped then,
// the producer never waits. Several slots may be reserved at once. Only the producer's goroutine calls Reserve, Publish and Discard;
// the bytes may be written by any goroutine in between.
func (r *Ring) Reserve() (Reservation, bool) {
	newest := handoff.Ref(r.latest.Load()).Index() // only we change it
	// The first that is free: so a few slots, whose memory is in the processor's caches, are used again and again, and the rest are never touched.
	for i := range r.slots {
		if s := &r.slots[i]; i != newest && s.Claim() {
			return Reservation{s}, true
		}
	}
	return Reservation{}, false
}

// Buffer returns the memory for the JPEG: SlotSize bytes, not Go memory on Linux. It is valid until Publish or Discard.
func (v Reservation) Buffer(r *Ring) []byte {
	h := r.envelope.HeadSize
	return v.slot.room[h : h+r.slotSize : h+r.slotSize]
}

// Publish makes the first p.Size bytes of the reservation's buffer the newest frame and wakes all readers. encoded is when they were
// complete. The reservation is spent.
func (r *Ring) Publish(v Reservation, p *frame.Picture, encoded time.Time) error {
	s := v.slot
	if p.Size < 1 || p.Size > r.slotSize {
		r.Discard(v)
		return fmt.Errorf("ring: publish: a JPEG of %d bytes in a slot of %d: %w", p.Size, r.slotSize, frame.ErrTooLarge)
	}
	r.sequence++
	s.meta = Meta{Picture: *p, Sequence: r.sequence, Encoded: encoded, Published: time.Now()}
	start := r.envelope.HeadSize
	end := start + p.Size
	s.jpeg = s.room[start:end:end]
	if r.envelope.Head != nil {
		head := r.envelope.Head(s.room[0:0:start], &s.meta)
		start -= len(head)
		copy(s.room[start:], head) // to the right, up against the JPEG; copy handles the overlap
	}
	end += copy(s.room[end:], r.envelope.Tail)
	s.part = s.room[start:end:end]

	r.latest.Store(uint64(s.Publish(s.index)))
	r.readers.Wake()
	if r.closed.Load() {
		r.free()
	}
	return nil
}

// Discard returns a reservation unpublished.
func (r *Ring) Discard(v Reservation) {
	v.slot.Discard()
	if r.closed.Load() {
		r.free()
	}
}

// acquire takes a reference to the newest frame; nil if there is none.
func (r *Ring) acquire() *slot {
	for {
		latest := handoff.Ref(r.latest.Load())
		if latest == 0 || r.closed.Load() {
			return nil
		}
		if s := &r.slots[latest.Index()]; s.Acquire(latest) {
			return s
		} // else reused since: there is a newer frame
	}
}

// Latest fills f with the newest frame whatever it is, false when nothing was published yet. f must be released.
func (r *Ring) Latest(f *Frame) bool {
	s := r.acquire()
	if s == nil {
		return false
	}
	*f = Frame{ring: r, slot: s}
	return true
}

// Close ends all readers. The slots' memory is given back when the last reader has released its frame and the producer its
// reservations. It may be called twice.
func (r *Ring) Close() {
	if !r.closed.CompareAndSwap(false, true) {
		return
	}
	r.readers.Wake()
	r.free()
}

// free seals every slot that nobody holds; once all are sealed, the memory is released.
func (r *Ring) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.freed {
		return
	}
	if r.sealed == nil {
		r.sealed = make([]bool, len(r.slots))
	}
	all := true
	for i := range r.slots {
		r.sealed[i] = r.sealed[i] || r.slots[i].Seal()
		all = all && r.sealed[i]
	}
	if all {
		r.freed = true
		release(r.memory)
	}
}
