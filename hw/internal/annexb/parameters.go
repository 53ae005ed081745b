package annexb

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
)

// NAL unit types (ITU-T H.264 table 7-1).
const (
	typeSlice      = 1
	typePartitionA = 2
	typePartitionC = 4
	typeIDR        = 5
	typeSEI        = 6
	typeSPS        = 7
	typePPS        = 8
	typeDelimiter  = 9
	typePrefix     = 14
	typeReserved   = 18
	typeAuxiliary  = 19
	typeExtension  = 20
	typeUnassigned = 24 // and above: RTP uses them for other purposes
)

// sequence is a sequence parameter set.
type sequence struct {
	h264.SPS
	nal []byte
}

// redundant reports whether pictures may have redundant or reordered slices: in the unconstrained baseline profile and the extended one.
func (s *sequence) redundant() bool {
	return s.ProfileIdc == 66 && !s.ConstraintSet1Flag || s.ProfileIdc == 88
}

// picture holds the required fields of a picture parameter set.
type picture struct {
	nal         []byte // nil: not received
	sps         uint32
	bottomOrder bool // bottom_field_pic_order_in_frame_present_flag
}

// parameters are the stream's parameter sets so far.
type parameters struct {
	sequences [32]*sequence
	pictures  [256]picture
	newest    *sequence // last received, or used by the last key frame
}

// note stores a parameter set. An invalid one is an error, and does not replace the one with its number.
func (p *parameters) note(nal []byte) error {
	if nal[0]&0x1f == typePPS {
		return p.notePicture(nal)
	}
	for _, known := range p.sequences {
		if known != nil && bytes.Equal(known.nal, nal) {
			p.newest = known
			return nil
		}
	}
	s := &sequence{nal: bytes.Clone(nal)}
	if err := s.Unmarshal(s.nal); err != nil {
		return fmt.Errorf("sequence parameter set: %w: %w", err, frame.ErrBadPicture)
	}
	// Limits of the standard that the parser does not check.
	if s.ID >= uint32(len(p.sequences)) || s.Log2MaxFrameNumMinus4 > 12 || s.Log2MaxPicOrderCntLsbMinus4 > 12 || s.PicOrderCntType > 2 ||
		frame.CheckSize(s.Width(), s.Height()) != nil {
		return fmt.Errorf("sequence parameter set: out of range (%dx%d): %w", s.Width(), s.Height(), frame.ErrBadPicture)
	}
	p.sequences[s.ID], p.newest = s, s
	return nil
}

func (p *parameters) notePicture(nal []byte) error {
	b := bits{data: nal[1:]}
	id, sps := b.ue(), b.ue()
	b.u(1) // entropy_coding_mode_flag
	bottomOrder := b.flag()
	if b.short || id >= uint32(len(p.pictures)) || sps >= uint32(len(p.sequences)) {
		return fmt.Errorf("picture parameter set %d of sequence parameter set %d: out of range or cut off: %w", id, sps, frame.ErrBadPicture)
	}
	known := &p.pictures[id]
	if !bytes.Equal(known.nal, nal) {
		*known = picture{nal: append(known.nal[:0], nal...), sps: sps, bottomOrder: bottomOrder}
	}
	return nil
}

// complete appends the sequence parameter set of a key frame's slices and all its picture parameter sets, unless they are all among the unit's own
// NAL units. ok: they are known.
func (p *parameters) complete(to [][]byte, s *slice, nals [][]byte) (_ [][]byte, ok bool) {
	if s.sps == nil {
		return to, false
	}
	present := contains(nals, s.sps.nal)
	before := len(to)
	to = append(to, s.sps.nal)
	for i := range p.pictures {
		if pps := &p.pictures[i]; pps.nal != nil && p.sequences[pps.sps] == s.sps {
			to = append(to, pps.nal)
			present = present && contains(nals, pps.nal)
		}
	}
	if present {
		to = to[:before]
	}
	return to, true
}

func contains(nals [][]byte, nal []byte) bool {
	for _, n := range nals {
		if bytes.Equal(n, nal) {
			return true
		}
	}
	return false
}
