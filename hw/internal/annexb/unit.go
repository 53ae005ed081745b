package annexb

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// verdict is what the beginning of a NAL unit says about it.
type verdict uint8

const (
	unclear  verdict = iota // more of it is needed
	same                    // it belongs to the unit before it
	opens                   // it begins a unit, if the one before it has a picture
	perhaps                 // it belongs to what follows it
	nonsense                // it belongs to no unit
)

// assembler sorts NAL units into access units.
type assembler struct {
	parameters
	first   slice // of the picture
	picture bool  // a slice has come
	order   order
	later   int   // see Later
	why     error // what was wrong with the newest parameter set that could not be read
}

// judge says where a NAL unit belongs, of which at least the first byte is there. whole: all of it is.
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

// isSlice says whether a NAL unit with this first byte has a slice's header.
func isSlice(first byte) bool {
	kind := first & 0x1f
	return kind == typeSlice || kind == typePartitionA || kind == typeIDR
}

// take notes a slice of the unit.
func (a *assembler) take(s *slice) {
	if !a.picture {
		a.picture, a.first = true, *s
	}
}

// keep notes a whole NAL unit of the unit.
func (a *assembler) keep(nal []byte) {
	if kind := nal[0] & 0x1f; kind == typeSPS || kind == typePPS {
		if err := a.note(nal); err != nil {
			a.why = err
		}
	}
}

// restart forgets the picture.
func (a *assembler) restart() { a.picture, a.first = false, slice{} }

// finish makes u of the unit's NAL units, and makes ready for the next.
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

// incomplete is the error of a key frame that nobody can decode.
func (a *assembler) incomplete() error {
	if a.why != nil {
		return a.why
	}
	return fmt.Errorf("a key frame without its parameter sets (SPS, PPS): %w", frame.ErrBadPicture)
}

// Later returns how many pictures later than the last unit came its picture is to be shown, and how many later than they come pictures are shown
// on the whole; 0: they are shown as they come.
func (a *assembler) Later() (later, depth int) { return a.later, a.order.depth }

// Info is what a stream says of itself.
type Info struct {
	Width, Height int     // pixels; 0: not known yet
	FPS           float64 // 0: it does not say
}

// Info returns what the parameter sets in use say.
func (p *parameters) Info() (i Info) {
	if s := p.newest; s != nil {
		i.Width, i.Height = s.Width(), s.Height()
		if fps := s.FPS(); fps > 0.01 && fps < 1000 {
			i.FPS = fps
		}
	}
	return i
}
