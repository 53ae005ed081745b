package annexb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

const (
	// MaxUnit is the largest access unit that a Reader puts together, in bytes.
	MaxUnit = 16 << 20
	// header is enough of a slice's beginning, in bytes.
	header = 256
	// chunk is how much room there is for a read, at least.
	chunk = 64 << 10
)

var startCode = []byte{0, 0, 1}

// Reader finds access units in a stream of bytes. What comes before the first key frame is passed over. It belongs to one goroutine.
type Reader struct {
	assembler
	in   io.Reader
	ends error // why nothing follows

	buffer []byte
	start  int    // of what was not given out yet
	scan   int    // where the search for the next start code goes on
	begin  int    // of the NAL unit that is looked at, behind its start code; -1: there is none yet
	judged bool   // it was
	drop   bool   // it is left out
	split  int    // where the next unit begins, should the next slice begin a picture; -1: there
	nals   []span // of the unit
	views  [][]byte

	large    bool // the rest of a unit that is too large is passed over
	running  bool // a key frame was given out, and all since
	sequence uint64
	last     [2]arrival // the reads before the last one, and the last one

	begun           bool // a start code has come
	garbage, passed int
}

// span is where a NAL unit is in the buffer.
type span struct{ from, to int }

// arrival is when the bytes of the buffer up to end came.
type arrival struct {
	end int
	at  time.Time
}

// NewReader makes a Reader.
func NewReader(in io.Reader) *Reader {
	r := &Reader{}
	r.Reset(in)
	return r
}

// Reset goes on with another stream, or the same from its beginning. Parameter sets are kept, and u.Sequence goes on.
func (r *Reader) Reset(in io.Reader) {
	*r = Reader{
		assembler: assembler{parameters: r.parameters, order: r.order}, in: in, begin: -1, split: -1, sequence: r.sequence,
		buffer: r.buffer[:0], nals: r.nals[:0], views: r.views,
	}
}

// Passed returns how many bytes came before the first start code, and how many pictures before the first key frame.
func (r *Reader) Passed() (bytes, pictures int) { return r.garbage, r.passed }

// Unreadable returns what was wrong with the newest parameter set that could not be read; nil: none was.
func (r *Reader) Unreadable() error { return r.why }

// Next fills u with the next access unit, whose bytes are valid until the next call. u.Captured is when its last byte came, u.Sequence counts from 1. Errors:
// frame.ErrBadPicture or frame.ErrTooLarge (units are missing; go on), io.EOF, or the stream's.
func (r *Reader) Next(u *frame.AccessUnit) error {
	for {
		end, err := r.advance()
		switch {
		case err != nil:
			return err
		case end >= 0:
			if err := r.give(u, end); err != nil || len(u.NALs) > 0 {
				return err
			}
		case r.ends != nil:
			return r.ends
		default:
			if err := r.fill(); err != nil {
				return err
			}
		}
	}
}

// advance goes through what there is. It returns where a unit ends that is complete; -1: there is none.
func (r *Reader) advance() (end int, err error) {
	for r.begin >= 0 || r.find() {
		to, next := r.limit()
		whole := next >= 0 || r.ends != nil
		if !r.judged {
			// Without zeros at its end: they may be those of the next start code.
			head := bytes.TrimRight(r.buffer[r.begin:min(to, r.begin+header)], "\x00")
			all := whole || to-r.begin >= header
			verdict, s := r.judge(head, all)
			if verdict == unclear && !all {
				return -1, nil
			}
			if verdict == opens && r.large {
				r.large, r.picture = false, false
			}
			if verdict == opens && r.picture {
				if r.split >= 0 {
					return r.split, nil
				}
				return r.codeBefore(r.begin), nil
			}
			r.judged, r.drop = true, verdict == nonsense || verdict == unclear || r.large
			switch {
			case r.drop:
			case verdict == perhaps && r.split < 0:
				r.split = r.codeBefore(r.begin)
			case verdict != perhaps && isSlice(r.buffer[r.begin]):
				r.take(&s)
				r.split = -1
			}
		}
		if !whole {
			return -1, r.bound(to)
		}
		r.keep(to)
		r.begin, r.judged = next, false
		if next < 0 { // nothing follows
			r.start, r.scan = r.firstOf(), len(r.buffer)
			if r.picture && !r.large {
				return len(r.buffer), nil
			}
		}
	}
	return -1, nil
}

// find looks for the first start code.
func (r *Reader) find() bool {
	i := bytes.Index(r.buffer[r.scan:], startCode)
	if i < 0 {
		from := max(r.scan, len(r.buffer)-len(startCode)+1)
		r.skip(from)
		return false
	}
	r.begin, r.judged = r.scan+i+len(startCode), false
	r.skip(r.scan + i)
	r.begun = true
	r.scan = r.begin
	return true
}

// skip passes over what comes before the first start code.
func (r *Reader) skip(to int) {
	if !r.begun {
		r.garbage += len(bytes.TrimLeft(r.buffer[r.start:to], "\x00")) // zeros may stand there
	}
	r.start, r.scan = to, to
}

// limit returns where the NAL unit ends as far as it is there, and where the next one begins; -1: not known yet.
func (r *Reader) limit() (to, next int) {
	r.scan = max(r.scan, r.begin)
	i := bytes.Index(r.buffer[r.scan:], startCode)
	if i >= 0 {
		r.scan += i // to be found again
		to, next = r.scan, r.scan+len(startCode)
	} else {
		to, next = len(r.buffer), -1
		r.scan = max(r.scan, to-len(startCode)+1)
	}
	if next >= 0 || r.ends != nil {
		for to > r.begin && r.buffer[to-1] == 0 { // no NAL unit ends with it
			to--
		}
	}
	return to, next
}

// codeBefore returns where the start code before a NAL unit begins.
func (r *Reader) codeBefore(begin int) int {
	at := begin - len(startCode)
	for at > r.start && r.buffer[at-1] == 0 {
		at--
	}
	return at
}

// keep takes the NAL unit that ends at to into the unit, and notes what is in it.
func (r *Reader) keep(to int) {
	nal := r.buffer[r.begin:to]
	if r.drop || len(nal) == 0 {
		if len(r.nals) == 0 {
			r.start = to
		}
		return
	}
	r.nals = append(r.nals, span{r.begin, to})
	r.assembler.keep(nal)
}

// bound reports a unit that is too large, and passes over its rest.
func (r *Reader) bound(to int) error {
	size := to - r.firstOf()
	if size <= MaxUnit {
		return nil
	}
	was := r.large
	r.large, r.running, r.nals, r.split = true, false, r.nals[:0], -1
	r.begin, r.judged = -1, false
	r.start = max(r.start, len(r.buffer)-len(startCode)+1)
	r.scan = r.start
	if was {
		return nil
	}
	r.sequence++
	return fmt.Errorf("an access unit of more than %d MB: %w", MaxUnit>>20, frame.ErrTooLarge)
}

// firstOf returns where the unit that is put together begins.
func (r *Reader) firstOf() int {
	switch {
	case len(r.nals) > 0:
		return r.nals[0].from
	case r.begin >= 0:
		return r.begin
	}
	return len(r.buffer)
}

// give fills u with the unit that ends at end; without NAL units if it is none to begin with.
func (r *Reader) give(u *frame.AccessUnit, end int) error {
	r.views = r.views[:0]
	rest := r.nals[:0]
	for _, n := range r.nals {
		if n.from < end {
			r.views = append(r.views, r.buffer[n.from:n.to:n.to])
		} else {
			rest = append(rest, n)
		}
	}
	r.nals, r.split, r.start = rest, -1, end
	u.Captured = r.last[1].at
	if end <= r.last[0].end {
		u.Captured = r.last[0].at
	}
	if !r.running && !r.first.idr {
		r.restart()
		r.passed++
		u.NALs = u.NALs[:0]
		return nil
	}
	r.sequence++
	u.Sequence = r.sequence
	err := r.finish(u, r.views)
	r.running = err == nil
	return err
}

// fill reads more.
func (r *Reader) fill() error {
	if cap(r.buffer)-len(r.buffer) < chunk {
		r.makeRoom()
	}
	n, err := r.in.Read(r.buffer[len(r.buffer):cap(r.buffer)])
	if n > 0 {
		r.buffer = r.buffer[:len(r.buffer)+n]
		r.last[0], r.last[1] = r.last[1], arrival{len(r.buffer), time.Now()}
	}
	if errors.Is(err, io.EOF) {
		r.ends = io.EOF
		return nil
	}
	return err
}

// makeRoom moves what was not given out yet to the front of the buffer, or of a larger one.
func (r *Reader) makeRoom() {
	by := r.start
	rest := r.buffer[by:]
	if cap(r.buffer)-len(rest) < chunk {
		r.buffer = make([]byte, len(rest), max(4*chunk, 2*cap(r.buffer)))
	} else {
		r.buffer = r.buffer[:len(rest)]
	}
	copy(r.buffer, rest)
	r.start, r.scan = 0, r.scan-by
	if r.begin >= 0 {
		r.begin -= by
	}
	if r.split >= 0 {
		r.split -= by
	}
	for i := range r.nals {
		r.nals[i].from -= by
		r.nals[i].to -= by
	}
	for i := range r.last {
		r.last[i].end -= by
	}
}
