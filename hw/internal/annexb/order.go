package annexb

// maxDepth is how many pictures a decoder may hold back at most (section A.3.1).
const maxDepth = 16

// order determines when each picture is displayed if the coding order differs, as with B-frames.
type order struct {
	sps   *sequence
	depth int // display delay of the first picture, in pictures, such that none is displayed before it is coded
	step  int // of the picture order count, between pictures in display order

	// Since the last key frame.
	coded       int // pictures coded
	first       int // picture order count of the key frame
	least, most int // picture order counts, relative to first
	msb, lsb    int // of the last reference picture
}

// next returns how many pictures after it is coded the picture that begins with s is displayed.
func (o *order) next(s *slice) int {
	sps := s.sps
	if sps == nil || sps.PicOrderCntType != 0 || sps.ProfileIdc == 66 { // no reordering, or, for type 1, a kind that no known encoder uses
		o.depth = 0
		return 0
	}
	if sps != o.sps {
		*o = order{sps: sps, step: 2}
		if v := sps.VUI; v != nil && v.BitstreamRestriction != nil {
			o.depth = int(min(v.BitstreamRestriction.MaxNumReorderFrames, maxDepth))
			if o.depth == 0 {
				o.step = 0 // never reordered
			}
		}
	}
	if o.step == 0 {
		return 0
	}
	count := o.count(s)
	if s.idr {
		if o.coded > 1 {
			o.step = max(1, (o.most-o.least)/(o.coded-1))
		}
		o.coded, o.first, o.least, o.most = 0, count, 0, 0
	}
	count -= o.first
	o.least, o.most = min(o.least, count), max(o.most, count)
	if count%2 != 0 && o.coded < 4 {
		o.step = 1
	}
	later := count/o.step - o.coded + o.depth
	o.coded++
	if later < 0 {
		o.depth = min(o.depth-later, maxDepth)
	}
	return min(max(later, 0), o.depth+maxDepth)
}

// count returns the picture order count of type 0 (section 8.2.1.1).
func (o *order) count(s *slice) int {
	most := 1 << (s.sps.Log2MaxPicOrderCntLsbMinus4 + 4)
	if s.idr {
		o.msb, o.lsb = 0, 0
	}
	lsb, msb := int(s.pocLSB), o.msb
	switch {
	case lsb < o.lsb && o.lsb-lsb >= most/2:
		msb += most
	case lsb > o.lsb && lsb-o.lsb > most/2:
		msb -= most
	}
	if s.reference {
		o.msb, o.lsb = msb, lsb
	}
	return msb + lsb + min(0, int(s.delta[1]))
}
