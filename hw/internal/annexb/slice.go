package annexb

// bits reads a NAL unit bit by bit, skipping the emulation prevention bytes (ITU-T H.264 section 7.3.1).
type bits struct {
	data  []byte
	at    int  // next byte of data
	zeros int  // before at
	value byte // the current byte
	left  int  // its unread bits
	short bool // the data ended early
}

func (b *bits) bit() uint32 {
	if b.left == 0 {
		if b.zeros >= 2 && b.at < len(b.data) && b.data[b.at] == 3 {
			b.at++
			b.zeros = 0
		}
		if b.at >= len(b.data) {
			b.short = true
			return 0
		}
		b.value, b.left = b.data[b.at], 8
		b.at++
		if b.value == 0 {
			b.zeros++
		} else {
			b.zeros = 0
		}
	}
	b.left--
	return uint32(b.value>>b.left) & 1
}

func (b *bits) flag() bool { return b.bit() == 1 }

func (b *bits) u(n int) (v uint32) {
	for range n {
		v = v<<1 | b.bit()
	}
	return v
}

// ue reads an unsigned Exp-Golomb number (section 9.1).
func (b *bits) ue() uint32 {
	zeros := 0
	for !b.short && b.bit() == 0 {
		if zeros++; zeros > 31 {
			b.short = true
		}
	}
	if b.short {
		return 0
	}
	return 1<<zeros - 1 + b.u(zeros)
}

func (b *bits) se() int32 {
	v := b.ue()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// slice holds a slice header's fields that identify its picture (section 7.3.3).
type slice struct {
	sps       *sequence // nil: unknown parameter sets; then only first is valid
	first     uint32    // macroblock
	b         bool      // a B slice: predicted from two lists, mostly of earlier and later pictures
	idr       bool
	reference bool // nal_ref_idc is not 0
	pps       uint32
	frame     uint32 // frame_num
	field     bool
	bottom    bool
	idrID     uint32
	pocLSB    uint32
	delta     [2]int32 // delta_pic_order_cnt_bottom in the second, or delta_pic_order_cnt
}

// parse reads a slice header from a NAL unit's first bytes. enough reports whether they were sufficient.
func (p *parameters) parse(nal []byte) (s slice, enough bool) {
	b := bits{data: nal[1:]}
	s.idr, s.reference = nal[0]&0x1f == typeIDR, nal[0]&0x60 != 0
	s.first = b.ue()
	kind := b.ue()
	s.b = kind%5 == 1
	s.pps = b.ue()
	if b.short {
		return s, false
	}
	if s.pps >= uint32(len(p.pictures)) || p.pictures[s.pps].nal == nil {
		return s, true
	}
	picture := &p.pictures[s.pps]
	sps := p.sequences[picture.sps]
	if sps == nil {
		return s, true
	}
	if sps.SeparateColourPlaneFlag {
		b.u(2)
	}
	s.frame = b.u(int(sps.Log2MaxFrameNumMinus4) + 4)
	if !sps.FrameMbsOnlyFlag {
		if s.field = b.flag(); s.field {
			s.bottom = b.flag()
		}
	}
	if s.idr {
		s.idrID = b.ue()
	}
	switch {
	case sps.PicOrderCntType == 0:
		s.pocLSB = b.u(int(sps.Log2MaxPicOrderCntLsbMinus4) + 4)
		if picture.bottomOrder && !s.field {
			s.delta[1] = b.se()
		}
	case sps.PicOrderCntType == 1 && !sps.DeltaPicOrderAlwaysZeroFlag:
		s.delta[0] = b.se()
		if picture.bottomOrder && !s.field {
			s.delta[1] = b.se()
		}
	}
	s.sps = sps
	return s, !b.short
}

// begins reports whether s belongs to another picture than the preceding slice (section 7.4.1.2.4). Both fields of a frame count as one
// picture: they are shown together, and RTP and MP4 treat them so.
func (s *slice) begins(before *slice) bool {
	if s.sps == nil || before.sps == nil || s.sps != before.sps {
		return s.first == 0 || s.sps != before.sps
	}
	second := s.field && before.field && s.bottom != before.bottom && s.frame == before.frame && (before.idr || !s.idr)
	if second {
		return false
	}
	switch {
	case s.frame != before.frame, s.pps != before.pps && s.first == 0, s.field != before.field, s.bottom != before.bottom,
		s.reference != before.reference, s.idr != before.idr, s.idrID != before.idrID, s.pocLSB != before.pocLSB, s.delta != before.delta:
		return true
	}
	// For encoders that do not count their pictures. Only the profiles with redundant slices may repeat a first macroblock.
	return s.first == 0 && before.first == 0 && !s.sps.redundant()
}
