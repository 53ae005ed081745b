package jpegcheck

import "bytes"

// scanEnd finds the end of the last scan of a picture without EOI and reports whether the scan is complete. A baseline scan is followed code by
// code, which is half the work of decoding, but such pictures are rare. The later scans of a progressive picture only refine what the first
// ones have drawn, so it counts as complete if it has more than one.
func (p *Parser) scanEnd(data []byte) (end int, whole bool) {
	if p.info.Progressive {
		return textEnd(data, p.last.at), p.info.Scans > 1
	}
	e := entropy{data: data}
	frame, ok := e.headers(p.last.at)
	if !ok {
		return 0, false
	}
	return e.walk(p, frame)
}

// textEnd returns where the data ends or the boundary line of a multipart stream begins.
func textEnd(data []byte, from int) int {
	from = max(from, len(data)-1024)
	if i := bytes.LastIndex(data[from:], []byte("\r\n--")); i >= 0 {
		return from + i
	}
	return len(data)
}

// entropy follows the Huffman codes of one baseline scan.
type entropy struct {
	data    []byte
	pos     int // of the next byte
	bits    uint64
	n       int    // valid bits, the lowest of bits
	starts  [8]int // where the last bytes shifted into bits began, by count modulo 8
	taken   int
	tables  [8]huffman // DC 0 to 3, AC 0 to 3
	restart int        // MCUs between restart markers; 0: none
}

// huffman is a decoding table by code length, with a lookup for short codes.
type huffman struct {
	short   [256]uint16 // by the next 8 bits: length<<8 | value; 0: longer
	most    [17]int32   // the largest code of each length, -1: none
	offset  [17]int32   // of values, less the smallest code
	values  [256]byte
	present bool
}

func (h *huffman) build(counts, values []byte) bool {
	*h = huffman{present: true}
	copy(h.values[:], values)
	code, at := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		h.offset[length] = at - code
		h.most[length] = -1
		if n > 0 {
			h.most[length] = code + n - 1
			if h.most[length] >= 1<<length {
				return false
			}
		}
		if length <= 8 {
			for i := range n {
				first := (code + i) << (8 - length)
				for j := range int32(1) << (8 - length) {
					h.short[first+j] = uint16(length)<<8 | uint16(h.values[at+i])
				}
			}
		}
		code, at = (code+n)<<1, at+n
	}
	return true
}

// headers reads the tables up to the scan at the given position, and returns the frame header's body.
func (e *entropy) headers(at int) (frame []byte, ok bool) {
	w := walker{pos: 2}
	for w.pos <= at {
		s, status := w.next(e.data, true)
		if status != isSegment {
			return nil, false
		}
		body := e.data[s.body:w.pos]
		switch {
		case s.marker == dht:
			if !e.addTables(body) {
				return nil, false
			}
		case s.marker == dri && len(body) >= 2:
			e.restart = u16(body)
		case s.marker >= sof0 && s.marker <= sof2:
			frame = body
		case s.marker == sos && s.at < at:
			w.skipScan(e.data, true)
		}
	}
	e.pos = w.pos
	return frame, frame != nil
}

func (e *entropy) addTables(b []byte) bool {
	for len(b) >= 17 { // checked by huffmanTables
		n := 0
		for _, count := range b[1:17] {
			n += int(count)
		}
		if !e.tables[b[0]>>4*4+b[0]&15].build(b[1:17], b[17:17+n]) {
			return false
		}
		b = b[17+n:]
	}
	return true
}

// walk follows all MCUs of the parser's last scan.
func (e *entropy) walk(p *Parser, frame []byte) (end int, whole bool) {
	if !e.tables[0].present && !e.tables[1].present && !e.tables[4].present && !e.tables[5].present {
		e.addTables(StandardTables[4:])
	}
	most := [2]int{1, 1}
	for i := range p.info.Components {
		most[0], most[1] = max(most[0], int(frame[6+3*i+1]>>4)), max(most[1], int(frame[6+3*i+1]&15))
	}
	header := e.data[p.last.at+4:]
	var blocks []*[2]*huffman // of one MCU
	var pairs [4][2]*huffman
	wide, high := 8*most[0], 8*most[1] // pixels of an MCU
	for i := range p.last.n {
		tables := header[2+2*i]
		pairs[i] = [2]*huffman{&e.tables[tables>>4], &e.tables[4+tables&15]}
		if !pairs[i][0].present || !pairs[i][1].present {
			return 0, false
		}
		sampling := frame[6+3*int(p.last.component[i])+1]
		n := int(sampling>>4) * int(sampling&15)
		if p.last.n == 1 { // not interleaved: an MCU is one block (A.2.2)
			n, wide, high = 1, wide/int(sampling>>4), high/int(sampling&15)
		}
		for range n {
			blocks = append(blocks, &pairs[i])
		}
	}
	mcus := (p.info.Width + wide - 1) / wide * ((p.info.Height + high - 1) / high)
	for i := range mcus {
		if e.restart > 0 && i > 0 && i%e.restart == 0 && !e.restarts() {
			return 0, false
		}
		for _, tables := range blocks {
			if !e.block(tables) {
				return 0, false
			}
		}
	}
	return e.position(), true
}

// block follows the codes of one block (F.2.2).
func (e *entropy) block(tables *[2]*huffman) bool {
	size, ok := e.code(tables[0])
	if !ok || size > 16 || !e.skip(int(size)) {
		return false
	}
	for k := 1; k < 64; k++ {
		v, ok := e.code(tables[1])
		if !ok {
			return false
		}
		if v&15 == 0 {
			if v != 0xf0 {
				return true // end of block
			}
			k += 15
			continue
		}
		if k += int(v >> 4); k > 63 || !e.skip(int(v&15)) {
			return false
		}
	}
	return true
}

// fill shifts bytes in until there are n bits, or the scan has no more.
func (e *entropy) fill(n int) {
	for e.n < n && e.pos < len(e.data) {
		b, start := e.data[e.pos], e.pos
		if b == 0xff {
			if e.pos+1 >= len(e.data) || e.data[e.pos+1] != 0 {
				return // a marker
			}
			e.pos++
		}
		e.pos++
		e.bits = e.bits<<8 | uint64(b)
		e.n += 8
		e.starts[e.taken&7] = start
		e.taken++
	}
}

func (e *entropy) skip(n int) bool {
	e.fill(n)
	if e.n < n {
		return false
	}
	e.n -= n
	return true
}

func (e *entropy) code(h *huffman) (byte, bool) {
	e.fill(16)
	look := uint16(e.bits << 16 >> e.n) // the next 16 bits, zeros after the end
	if s := h.short[look>>8]; s != 0 {
		length := int(s >> 8)
		if length > e.n {
			return 0, false
		}
		e.n -= length
		return byte(s), true
	}
	for length := 9; length <= 16; length++ {
		if c := int32(look >> (16 - length)); c <= h.most[length] {
			if length > e.n {
				return 0, false
			}
			e.n -= length
			return h.values[uint8(c+h.offset[length])], true
		}
	}
	return 0, false
}

// position returns the position after the last byte of which a bit was used.
func (e *entropy) position() int {
	if unused := e.n / 8; unused > 0 {
		return e.starts[(e.taken-unused)&7]
	}
	return e.pos
}

// restarts skips a restart marker.
func (e *entropy) restarts() bool {
	e.pos = e.position()
	e.bits, e.n, e.taken = 0, 0, 0
	for e.pos+1 < len(e.data) && e.data[e.pos] == 0xff && e.data[e.pos+1] == 0xff {
		e.pos++
	}
	if e.pos+1 >= len(e.data) || e.data[e.pos] != 0xff || e.data[e.pos+1] < rst0 || e.data[e.pos+1] > rst7 {
		return false
	}
	e.pos += 2
	return true
}
