package annexb

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// verdict is what a NAL unit's beginning says about its access unit.
type verdict uint8

const (
	unclear  verdict = iota // more bytes are needed
	same                    // it belongs to the current unit
	opens                   // it begins a unit, if the current one has a picture
	perhaps                 // it belongs to the next NAL unit's access unit
	nonsense                // it belongs to no unit
)

// assembler groups NAL units into access units.
type assembler struct {
	parameters
	first   slice // of the picture
	picture bool  // a slice was received
	order   order
	later   int   // see Later
	why     error // the error of the last invalid parameter set
}

// judge decides which access unit a NAL unit belongs to, from at least its first byte. whole: all of it is there.
func (a *assembler) judge(nal []byte, whole bool) (verdict, slice) {
	if len(nal) == 0 {
		return unclear, slice{}
	}
	kind := nal[0] & 0x1f
	switch {
	case nal[0]&0x80 != 0, kind == 0, kind >= typeUnassigned:
		return nonsense, slice{}
	case isSlice(nal[0]):
		s, enough := a.parse(nal)
		switch {
		case !enough && whole:
			return nonsense, slice{}
		case !enough:
			return unclear, slice{}
		case a.picture && !s.begins(&a.first):
			return same, s
		}
		return opens, s
	case kind == typePrefix:
		return perhaps, slice{}
	case kind >= typeSEI && kind <= typeDelimiter, kind > typePrefix && kind <= typeReserved:
		return opens, slice{}
	}
	return same, slice{}
}

// isSlice reports whether a NAL unit with this first byte has a slice header.
func isSlice(first byte) bool {
	kind := first & 0x1f
	return kind == typeSlice || kind == typePartitionA || kind == typeIDR
}

// take records a slice of the unit.
func (a *assembler) take(s *slice) {
	if !a.picture {
		a.picture, a.first = true, *s
	}
}

// keep records a complete NAL unit of the unit.
func (a *assembler) keep(nal []byte) {
	if kind := nal[0] & 0x1f; kind == typeSPS || kind == typePPS {
		if err := a.note(nal); err != nil {
			a.why = err
		}
	}
}

func (a *assembler) restart() { a.picture, a.first = false, slice{} }

// finish fills u with the unit's NAL units, and prepares for the next.
func (a *assembler) finish(u *frame.AccessUnit, nals [][]byte) error {
	defer a.restart()
	u.Key, u.NALs = a.first.idr, u.NALs[:0]
	if u.Key {
		var ok bool
		if u.NALs, ok = a.complete(u.NALs, &a.first, nals); !ok {
			return a.incomplete()
		}
		a.newest = a.first.sps
	}
	u.NALs = append(u.NALs, nals...)
	a.later = a.order.next(&a.first)
	return nil
}

// incomplete returns the error of a key frame without valid parameter sets.
func (a *assembler) incomplete() error {
	if a.why != nil {
		return a.why
	}
	return fmt.Errorf("a key frame without its parameter sets (SPS, PPS): %w", frame.ErrBadPicture)
}

// Later returns how many pictures after its arrival the last unit's picture is to be displayed, and the stream's display delay in
// pictures; 0: pictures are displayed as they arrive.
func (a *assembler) Later() (later, depth int) { return a.later, a.order.depth }

// Info is what a stream's parameter sets specify.
type Info struct {
	Width, Height int     // pixels; 0: unknown yet
	FPS           float64 // 0: unspecified
}

// Info returns what the parameter sets in use specify.
func (p *parameters) Info() (i Info) {
	if s := p.newest; s != nil {
		i.Width, i.Height = s.Width(), s.Height()
		if fps := s.FPS(); fps > 0.01 && fps < 1000 {
			i.FPS = fps
		}
	}
	return i
}
