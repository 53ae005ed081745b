package jpegcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// segment evaluates one header segment.
func (p *Parser) segment(s segment, body []byte) *Error {
	switch m := s.marker; {
	case m >= sof0 && m <= sof2:
		if p.info.Components != 0 {
			return &Error{"has two frame headers"}
		}
		return p.frameHeader(body, m == sof2)
	case m == dht:
		return p.huffmanTables(body)
	case m > sof2 && m <= 0xcf || m == sof55:
		return &Error{coding(m)}
	case m == dqt:
		return p.quantTables(body)
	case m == dnl:
		return &Error{"has its height after its scan (DNL), which browsers do not show"}
	case m == sos:
		if p.info.Scans == 0 {
			p.info.scan = s.at
		}
		return p.scanHeader(s.at, body)
	case m == app1 && p.info.Orientation == 1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
		p.info.Orientation = tiffOrientation(body[6:])
	case m == app2 && bytes.HasPrefix(body, []byte("MPF\x00")):
		p.info.Images = max(p.info.Images, tiffImages(body[4:]))
	}
	return nil
}

// coding names the processes of T.81 and T.87 that browsers and stock libjpeg do not decode.
func coding(marker byte) string {
	switch {
	case marker == sof55:
		return "is JPEG-LS, which browsers do not show"
	case marker == 0xc3 || marker == 0xcb:
		return "is lossless JPEG, which browsers do not show"
	case marker >= 0xc9:
		return "uses arithmetic coding, which browsers do not show"
	}
	return "is hierarchical, which browsers do not show"
}

// frameHeader parses a frame header (B.2.2).
func (p *Parser) frameHeader(b []byte, progressive bool) *Error {
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return &Error{fmt.Sprintf("has a frame header of %d bytes", len(b))}
	}
	h, w, n := u16(b[1:]), u16(b[3:]), int(b[5])
	switch {
	case b[0] != 8:
		return &Error{fmt.Sprintf("has %d bits a sample, not 8", b[0])}
	case n != 1 && n != 3 && n != 4:
		return &Error{fmt.Sprintf("has %d components, not 1, 3 or 4", n)}
	case w == 0 || h == 0:
		return &Error{fmt.Sprintf("has no size (%dx%d)", w, h)}
	}
	for i := range n {
		c := b[6+3*i:]
		if hor, ver := c[1]>>4, c[1]&15; hor < 1 || hor > 4 || ver < 1 || ver > 4 || c[2] > 3 {
			return &Error{fmt.Sprintf("has sampling factors %#02x in component %d", c[1], i)}
		}
		p.ids[i], p.quants[i] = c[0], c[2]
	}
	info := &p.info
	info.Width, info.Height, info.Components, info.Progressive, info.Subsampling = w, h, n, progressive, b[7]
	switch {
	case n == 1:
		info.Subsampling = 0x11 // the sampling factors of a single component have no effect
	case n == 4 || b[10] != 0x11 || b[13] != 0x11:
		info.Subsampling = 0
	}
	return nil
}

// scanHeader parses a scan header (B.2.3).
func (p *Parser) scanHeader(at int, b []byte) *Error {
	info := &p.info
	if info.Components == 0 {
		return &Error{"has a scan before its frame header"}
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || int(b[0]) > info.Components {
		return &Error{fmt.Sprintf("has a scan header of %d bytes", len(b))}
	}
	if info.Scans++; info.Scans > maxScans {
		return &Error{fmt.Sprintf("has more than %d scans", maxScans)}
	}
	n := int(b[0])
	p.last = scan{at: at, n: n}
	start, high := b[1+2*n], b[3+2*n]>>4
	var used uint8
	for i := range n {
		c := 0 // encoders that give all components the same identifier mean them in order
		for c < info.Components && (p.ids[c] != b[1+2*i] || used&(1<<c) != 0) {
			c++
		}
		used |= 1 << c
		dc, ac := b[2+2*i]>>4, b[2+2*i]&15
		if c == info.Components || dc > 3 || ac > 3 {
			return &Error{"has a scan of components that it does not have"}
		}
		if p.dqts&(1<<p.quants[c]) == 0 {
			return &Error{fmt.Sprintf("has no quantization table %d", p.quants[c])}
		}
		p.last.component[i] = byte(c)
		p.seen |= 1 << c
		if !info.Progressive || start == 0 && high == 0 { // refining DC needs no table
			p.wants |= 1 << dc
		}
		if !info.Progressive || start > 0 {
			p.wants |= 0x10 << ac
		}
	}
	if missing := p.wants &^ p.dhts; missing != 0 && p.dhts != 0 {
		return &Error{noTable(missing)}
	}
	return nil
}

// tables decides at the end whether the standard Huffman tables are missing, or others that cannot be guessed.
func (p *Parser) tables() *Error {
	if p.dhts == 0 {
		if p.wants&^0x33 != 0 || p.info.Progressive {
			return &Error{noTable(p.wants)}
		}
		p.info.fault |= noDHT
	}
	if p.seen != 1<<p.info.Components-1 {
		return &Error{"has no data for some of its components"}
	}
	return nil
}

func noTable(missing uint8) string {
	for i := range 8 {
		if missing&(1<<i) != 0 {
			return fmt.Sprintf("has no Huffman table %d for its %s coefficients", i&3, []string{"DC", "AC"}[i/4])
		}
	}
	return "has no Huffman table"
}

func (p *Parser) huffmanTables(b []byte) *Error {
	for len(b) > 0 {
		n := 0
		if len(b) >= 17 {
			for _, count := range b[1:17] {
				n += int(count)
			}
		}
		if len(b) < 17+n || n > 256 || b[0]&15 > 3 || b[0]>>4 > 1 {
			return &Error{"has a damaged Huffman table"}
		}
		p.dhts |= 1 << (b[0]>>4*4 + b[0]&15)
		b = b[17+n:]
	}
	return nil
}

func (p *Parser) quantTables(b []byte) *Error {
	for len(b) > 0 {
		size := 65 + 64*int(b[0]>>4)
		if b[0]>>4 > 1 || b[0]&15 > 3 || len(b) < size {
			return &Error{"has a damaged quantization table"}
		}
		p.dqts |= 1 << (b[0] & 15)
		b = b[size:]
	}
	return nil
}

// tiffTag looks up a tag in the first directory of a TIFF structure and returns its value, a SHORT or LONG; 0 if it is absent or malformed.
func tiffTag(tiff []byte, tag uint16) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == tag {
			switch order.Uint16(entries[2:]) {
			case 1:
				return int(entries[8]) // BYTE
			case 4, 9: // LONG, SLONG
				return int(int32(order.Uint32(entries[8:])))
			}
			return int(order.Uint16(entries[8:])) // SHORT, or what writers confuse with it
		}
		entries = entries[12:]
	}
	return 0
}

// tiffOrientation returns Exif's orientation, 1 to 8.
func tiffOrientation(tiff []byte) int {
	if v := tiffTag(tiff, 0x0112); v >= 1 && v <= 8 {
		return v
	}
	return 1
}

// tiffImages returns the number of pictures in a multi-picture file (CIPA DC-007, 5.2.3.2).
func tiffImages(tiff []byte) int {
	if v := tiffTag(tiff, 0xb001); v >= 1 && v <= 1000 {
		return v
	}
	return 1
}
