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
	// MaxUnit is the largest access unit that a Reader assembles, in bytes.
	MaxUnit = 16 << 20
	// header is how many bytes suffice to parse a slice header.
	header = 256
	// chunk is the minimum free space for a read.
	chunk = 64 << 10
)

var startCode = []byte{0, 0, 1}

// Reader finds access units in a byte stream. Everything before the first key frame is skipped. It belongs to one goroutine.
type Reader struct {
	assembler
	in   io.Reader
	ends error // the stream's final error

	buffer []byte
	start  int    // of what has not been returned yet
	scan   int    // where to search for the next start code
	begin  int    // of the current NAL unit, after its start code; -1: none yet
	judged bool   // the current NAL unit was judged
	drop   bool   // and is dropped
	split  int    // where the next unit begins if the next slice begins a picture; -1: at that slice
	nals   []span // of the unit
	views  [][]byte

	large    bool // skipping the rest of a unit that is too large
	running  bool // a key frame was returned, and all units since
	sequence uint64
	last     [2]arrival // the last two reads

	begun           bool // a start code was found
	garbage, passed int
}

// span is the position of a NAL unit in the buffer.
type span struct{ from, to int }

// arrival is when the buffer's bytes up to end were read.
type arrival struct {
	end int
	at  time.Time
}

// NewReader returns a Reader of in.
func NewReader(in io.Reader) *Reader {
	r := &Reader{}
	r.Reset(in)
	return r
}

// Reset continues with another stream, or the same one from its beginning. It keeps the parameter sets, and u.Sequence continues.
func (r *Reader) Reset(in io.Reader) {
	*r = Reader{
		assembler: assembler{parameters: r.parameters, order: r.order}, in: in, begin: -1, split: -1, sequence: r.sequence,
		buffer: r.buffer[:0], nals: r.nals[:0], views: r.views,
	}
}

// Passed returns how many bytes preceded the first start code, and how many pictures the first key frame.
func (r *Reader) Passed() (bytes, pictures int) { return r.garbage, r.passed }

// Unreadable returns the error of the last invalid parameter set, or nil.
func (r *Reader) Unreadable() error { return r.why }

// Next fills u with the next access unit, whose bytes are valid until the next call. u.Captured is when its last byte arrived, u.Sequence counts from 1.
// Errors: frame.ErrBadPicture or frame.ErrTooLarge (units are missing; continue), io.EOF, or the stream's.
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

// advance processes the buffer. It returns the end of a complete unit, or -1.
func (r *Reader) advance() (end int, err error) {
	for r.begin >= 0 || r.find() {
		to, next := r.limit()
		whole := next >= 0 || r.ends != nil
		if !r.judged {
			// Without trailing zeros: they may belong to the next start code.
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
		if next < 0 { // the end of the stream
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

// skip skips what precedes the first start code.
func (r *Reader) skip(to int) {
	if !r.begun {
		r.garbage += len(bytes.TrimLeft(r.buffer[r.start:to], "\x00")) // leading zeros are permitted
	}
	r.start, r.scan = to, to
}

// limit returns where the buffered part of the NAL unit ends, and where the next one begins; -1: unknown yet.
func (r *Reader) limit() (to, next int) {
	r.scan = max(r.scan, r.begin)
	i := bytes.Index(r.buffer[r.scan:], startCode)
	if i >= 0 {
		r.scan += i // find it again next time
		to, next = r.scan, r.scan+len(startCode)
	} else {
		to, next = len(r.buffer), -1
		r.scan = max(r.scan, to-len(startCode)+1)
	}
	if next >= 0 || r.ends != nil {
		for to > r.begin && r.buffer[to-1] == 0 { // no NAL unit ends in zeros
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

// keep adds the NAL unit that ends at to to the access unit.
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

// bound reports a unit that is too large, and skips the rest of it.
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

// firstOf returns where the current access unit begins.
func (r *Reader) firstOf() int {
	switch {
	case len(r.nals) > 0:
		return r.nals[0].from
	case r.begin >= 0:
		return r.begin
	}
	return len(r.buffer)
}

// give fills u with the unit that ends at end; without NAL units if there has been no key frame yet.
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

// fill reads more of the stream.
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

// makeRoom moves what has not been returned yet to the front of the buffer, or of a larger one.
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
