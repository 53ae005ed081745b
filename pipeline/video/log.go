package video

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/internal/handoff"
)

var (
	// ErrClosed is returned by reads of a log that was closed.
	ErrClosed = errors.New("video log closed")
	// ErrNeedsKey is wrapped by Append's refusal of a unit that could not be decoded because the previous one is missing.
	ErrNeedsKey = errors.New("dropped until the next key frame")
)

const (
	// DefaultBytes is the default for Config.Bytes: two seconds of 8 Mbit/s, and as much again for key frames and held units.
	DefaultBytes = 4 << 20
	// DefaultLag is the default for Config.Lag.
	DefaultLag = 300 * time.Millisecond
	// KeyInterval is the least time between two key frames made on request.
	KeyInterval = 500 * time.Millisecond
	// units is how many exist at once, those that readers hold included.
	units = 1024
)

// Config is the shape of a Log.
type Config struct {
	// Bytes bounds the memory for coded pictures, from 64 KiB; 0: DefaultBytes. A unit of up to a quarter of it fits.
	Bytes int
	// Lag is how far behind the newest unit a reader may be before it is moved to a key frame; 0: DefaultLag.
	Lag time.Duration
}

// Parameters are a stream's parameter sets, without start codes. They are never written.
type Parameters struct {
	SPS, PPS      []byte
	Width, Height int // pixels, cropped
}

// Meta describes a unit. It does not change while the unit is held.
type Meta struct {
	// Sequence rises by one with each unit of this log, from 1.
	Sequence uint64
	Key      bool
	// Captured is when the picture was taken, Published when readers could first see the unit.
	Captured, Published time.Time
	// Shown is how much later than Captured it is to be shown, see frame.AccessUnit.
	Shown time.Duration
	// Parameters are those in force. The pointer is the same as long as they are.
	Parameters *Parameters
}

// Log holds the newest access units of one H.264 stream. See the package documentation for the argument of its correctness.
type Log struct {
	entries []entry              // allocated with the first unit, as memory is
	order   [units]atomic.Uint64 // by sequence: a handoff.Ref to its entry; 0: none yet
	last    atomic.Uint64        // the newest unit's sequence; 0: none yet
	lastKey atomic.Uint64        // the newest key frame's
	newest  atomic.Int64         // when the newest unit was published, since began
	wanted  atomic.Bool          // a reader waits for a key frame
	began   time.Time
	lag     time.Duration
	size    int // of memory

	closed  atomic.Bool
	readers handoff.Readers

	parameters atomic.Pointer[Parameters]

	// What follows is the producer's own.
	memory   []byte   // of size bytes, allocated with the first unit
	head     int      // where the next unit goes if there is room
	used     []*entry // entries that own a part of memory, oldest first
	free     []*entry
	broken   bool      // a unit is missing: the next must be a key frame
	granted  time.Time // when the last key frame was made or asked for
	sequence uint64
}

type entry struct {
	handoff.Slot
	_     [56]byte // a cache line of its own: readers' reference counts must not slow the neighbours
	index int      // in Log.entries
	meta  Meta
	since int64  // meta.Published, since the log's beginning
	bytes []byte // of Log.memory
	at    int    // where in Log.memory; the producer's own
}

// New returns a log.
func New(c Config) (*Log, error) {
	if c.Bytes == 0 {
		c.Bytes = DefaultBytes
	}
	if c.Bytes < 64<<10 || c.Bytes > 1<<30 {
		return nil, fmt.Errorf("video: a log of %d bytes: out of range (64 KiB to 1 GiB)", c.Bytes)
	}
	if c.Lag == 0 {
		c.Lag = DefaultLag
	}
	if c.Lag < 0 {
		return nil, fmt.Errorf("video: a lag of %v: must be positive", c.Lag)
	}
	return &Log{size: c.Bytes, lag: c.Lag, began: time.Now()}, nil
}

// allocate makes the memory and its entries. Readers find no entry before one is published.
func (l *Log) allocate() {
	l.memory = make([]byte, l.size)
	l.entries = make([]entry, units)
	l.used, l.free = make([]*entry, 0, units), make([]*entry, 0, units)
	for i := range l.entries {
		l.entries[i].index = i
		l.entries[i].Claim() // nobody can acquire it before it is published
		l.free = append(l.free, &l.entries[i])
	}
}

// MaxUnit is the largest access unit that the log takes, in bytes.
func (l *Log) MaxUnit() int { return l.size / 4 }

// Room returns how many bytes and units of a stream the log has at once, at most.
func (l *Log) Room() (bytes, count int) { return l.size, units }

// Parameters returns the newest key frame's parameter sets; nil before the first.
func (l *Log) Parameters() *Parameters { return l.parameters.Load() }

// Sequence returns the newest unit's sequence, 0 before the first.
func (l *Log) Sequence() uint64 { return l.last.Load() }

// RequestKey requests a key frame: KeyWanted reports it to the producer. It is safe for concurrent use and may be called any number of times.
func (l *Log) RequestKey() {
	if !l.wanted.Load() {
		l.wanted.Store(true)
	}
}

// KeyWanted reports whether the next picture should be a key frame, at most once per KeyInterval. Only the producer calls it, before each picture.
func (l *Log) KeyWanted(now time.Time) bool {
	if !l.wanted.Load() || now.Sub(l.granted) < KeyInterval {
		return false
	}
	l.granted = now
	return true
}

// Append copies an access unit into the log and shows it to readers. It never waits for one. Only the producer's goroutine calls it.
//
// The error wraps ErrNeedsKey for units between one that is missing and the next key frame (which is requested), and frame.ErrTooLarge or
// frame.ErrBadPicture for a unit that the log cannot take. A key frame without parameter sets gets the last ones.
func (l *Log) Append(u *frame.AccessUnit) error {
	if u == nil {
		return errors.New("video: append: no access unit")
	}
	if err := l.append(u); err != nil {
		l.Break()
		return err
	}
	l.readers.Wake()
	return nil
}

// Break notes that a unit is missing, as the source has lost one or rests: what follows up to the next key frame is dropped, and that is requested. No reader
// begins with what was before, which may be old by now. Only the producer's goroutine calls it.
func (l *Log) Break() {
	l.broken = true
	l.lastKey.Store(0)
	l.RequestKey()
}

func (l *Log) append(u *frame.AccessUnit) error {
	if l.closed.Load() {
		return ErrClosed
	}
	parameters := l.parameters.Load()
	var prefix [2][]byte
	if u.Key {
		var err error
		if parameters, prefix, err = l.parametersOf(u); err != nil {
			return err
		}
	} else if l.broken || l.sequence == 0 {
		return fmt.Errorf("video: an access unit: %w", ErrNeedsKey)
	}
	size := 0
	for _, nals := range [...][][]byte{prefix[:], u.NALs} {
		for _, n := range nals {
			if kept(n) {
				size += 4 + len(n)
			}
		}
	}
	if size == 0 {
		return fmt.Errorf("video: an access unit without NAL units: %w", frame.ErrBadPicture)
	}
	if size > l.MaxUnit() {
		return fmt.Errorf("video: an access unit of %d bytes, at most %d: %w", size, l.MaxUnit(), frame.ErrTooLarge)
	}
	e := l.take(size)
	if e == nil {
		return fmt.Errorf("video: readers hold too much of the log for a unit of %d bytes: %w", size, ErrNeedsKey)
	}
	to := e.bytes[:0]
	for _, nals := range [...][][]byte{prefix[:], u.NALs} {
		for _, n := range nals {
			if kept(n) {
				to = binary.BigEndian.AppendUint32(to, uint32(len(n)))
				to = append(to, n...)
			}
		}
	}
	now := time.Now()
	l.sequence++
	e.meta = Meta{Sequence: l.sequence, Key: u.Key, Captured: u.Captured, Published: now, Shown: u.Shown, Parameters: parameters}
	e.since = int64(now.Sub(l.began))

	l.order[l.sequence%units].Store(uint64(e.Publish(e.index)))
	l.newest.Store(e.since)
	if u.Key {
		l.broken, l.granted = false, now
		l.parameters.Store(parameters)
		l.lastKey.Store(l.sequence)
	}
	l.last.Store(l.sequence)
	if u.Key {
		l.wanted.Store(false)
	}
	return nil
}

// kept reports whether a NAL unit goes into the log. Access unit delimiters do not: RTP and MP4 delimit units themselves, and added parameter sets
// would have to follow them.
func kept(nal []byte) bool {
	return len(nal) > 0 && h264.NALUType(nal[0]&0x1f) != h264.NALUTypeAccessUnitDelimiter
}

// take returns an entry with size bytes of memory of its own, claimed for writing; nil if readers hold too much.
func (l *Log) take(size int) *entry {
	if l.memory == nil {
		l.allocate()
	}
	if len(l.free) == 0 { // the log is full: drop the oldest unit that nobody holds
		for i := range l.used {
			if l.claim(i) {
				break
			}
		}
		if len(l.free) == 0 {
			return nil
		}
	}
	const line = 64
	at, turned := l.head, false
	for {
		if at+size > l.size {
			if turned {
				return nil
			}
			at, turned = 0, true
		}
		i := slices.IndexFunc(l.used, func(e *entry) bool { return e.at < at+size && at < e.at+len(e.bytes) })
		if i < 0 {
			break
		}
		end := l.used[i].at + len(l.used[i].bytes)
		if !l.claim(i) { // held: go around it
			at = (end + line - 1) &^ (line - 1)
		}
	}
	e := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.used = append(l.used, e)
	e.at, e.bytes = at, l.memory[at:at+size:at+size]
	l.head = (at + size + line - 1) &^ (line - 1)
	return e
}

// claim takes a used entry and its memory away from readers, false if one holds it.
func (l *Log) claim(i int) bool {
	e := l.used[i]
	if !e.Claim() {
		return false
	}
	l.used = slices.Delete(l.used, i, i+1)
	l.free = append(l.free, e)
	return true
}

// acquire takes a reference to a unit; nil if it is gone.
func (l *Log) acquire(sequence uint64) *entry {
	ref := handoff.Ref(l.order[sequence%units].Load())
	if ref == 0 {
		return nil
	}
	e := &l.entries[ref.Index()]
	if !e.Acquire(ref) {
		return nil // reused since
	}
	if e.meta.Sequence != sequence { // order's place was given to a later unit
		e.Release()
		return nil
	}
	return e
}

// Close ends all readers. Units that they hold stay valid; the garbage collector takes the memory when they are released. It may be called twice.
func (l *Log) Close() {
	if !l.closed.CompareAndSwap(false, true) {
		return
	}
	l.readers.Wake()
}
