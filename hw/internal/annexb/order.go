package annexb

// maxDepth is the most pictures that a decoder holds back (section A.3.1).
const maxDepth = 16

// order finds out when each picture is to be shown, where pictures are coded in another order: B-frames.
type order struct {
	sps   *sequence
	depth int // how many pictures later than it is coded the first one is shown, so that none would have to be shown before it is coded
	step  int // of the picture order count, from one picture that is shown to the next

	// Since the last key frame.
	coded       int // pictures
	first       int // picture order count of the key frame
	least, most int // picture order counts, from first on
	msb, lsb    int // of the last reference picture
}

// next returns how many pictures later than it is coded the picture that begins with a slice is shown.
func (o *order) next(s *slice) int {
	sps := s.sps
	if sps == nil || sps.PicOrderCntType != 0 || sps.ProfileIdc == 66 { // no other order, or, of type 1, one that no encoder was seen to use
		o.depth = 0
		return 0
	}
	if sps != o.sps {
		*o = order{sps: sps, step: 2}
		if v := sps.VUI; v != nil && v.BitstreamRestriction != nil {
			o.depth = int(min(v.BitstreamRestriction.MaxNumReorderFrames, maxDepth))
			if o.depth == 0 {
				o.step = 0 // never
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

// count is the picture order count of type 0 (section 8.2.1.1).
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
