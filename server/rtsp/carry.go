package rtsp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// ErrCannotCarry is wrapped by the error for each JPEG that RFC 2435 cannot describe.
var ErrCannotCarry = errors.New("RTP/JPEG (RFC 2435) cannot carry this picture")

// maxSide is RFC 2435's limit: width and height travel as one byte each, in units of 8 pixels (section 3.1.5).
const maxSide = 255 * 8

// Carries returns an error wrapping ErrCannotCarry if RTP/JPEG cannot carry a JPEG. Receivers rebuild the headers from a
// type number and two quantisation tables, so only baseline 4:2:0 or 4:2:2 with the standard Huffman tables arrives unchanged.
func Carries(jpeg []byte) error {
	var h header
	return h.read(jpeg)
}

// header holds the parts of a JPEG's headers that RTP transmits.
type header struct {
	frame   []byte    // SOF0, without marker and length
	tables  [4][]byte // 64 bytes each, by number; nil: absent
	restart []byte    // DRI's interval, nil: none
	scan    []byte    // from the SOS marker on
	// odd marks headers that gortsplib's packetizer would reject, or from which it would send tables other than one for luma and one for chroma
	// (RFC 2435 section 4.1: types 0 and 1 have those two).
	odd bool
}

func (h *header) read(jpeg []byte) error {
	scan, err := jpegcheck.Headers(jpeg, func(s jpegcheck.Segment) error {
		h.odd = h.odd || s.Loose
		if s.Marker == 0xda {
			return h.complete(s.Body)
		}
		return h.segment(s.Marker, s.Body)
	})
	var broken *jpegcheck.Error
	if errors.As(err, &broken) {
		return refuse("%v", broken)
	}
	h.scan = jpeg[scan:]
	return err
}

func (h *header) segment(marker byte, body []byte) error {
	switch {
	case marker == 0xc0:
		h.frame = body
		return carriesFrame(body)
	case marker > 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
		return refuse("it is not baseline (marker ff%02x)", marker)
	case marker == 0xc4:
		if !standardHuffman(body) {
			return refuse("its Huffman tables are not the standard ones (optimised coding?)")
		}
	case marker == 0xdb:
		for ; len(body) > 0; body = body[65:] {
			if body[0]>>4 != 0 {
				return refuse("its quantisation tables have 16 bits")
			}
			if len(body) < 65 || body[0] >= byte(len(h.tables)) {
				return refuse("its quantisation tables are broken")
			}
			h.tables[body[0]] = body[1:65]
		}
	case marker == 0xdd:
		if len(body) != 2 {
			return refuse("its restart interval is broken")
		}
		h.restart = body
		if body[0] == 0 && body[1] == 0 { // webcams state the absence explicitly
			h.restart, h.odd = nil, true
		}
	case marker >= 0xe3 && marker <= 0xef:
		h.odd = true
	case marker >= 0xe0 && marker <= 0xe2, marker == 0xfe:
	default:
		return refuse("it has a segment ff%02x", marker)
	}
	return nil
}

func carriesFrame(sof []byte) error {
	if len(sof) < 6 {
		return refuse("its frame header is broken")
	}
	height, width := int(binary.BigEndian.Uint16(sof[1:])), int(binary.BigEndian.Uint16(sof[3:]))
	switch {
	case width > maxSide || height > maxSide:
		return refuse("%dx%d is larger than %dx%d", width, height, maxSide, maxSide)
	case width == 0 || height == 0 || width%8 != 0 || height%8 != 0:
		return refuse("%dx%d: width and height must be multiples of 8", width, height)
	case sof[5] != 3 || len(sof) != 15:
		return refuse("it has %d components, not 3", sof[5])
	case (sof[7] != 0x21 && sof[7] != 0x22) || sof[10] != 0x11 || sof[13] != 0x11:
		return refuse("its chroma is neither 4:2:0 nor 4:2:2: sampling factors %02x, %02x, %02x, not 22 or 21, 11, 11", sof[7], sof[10], sof[13])
	}
	return nil
}

// complete checks, at the start of the scan, that the headers fit together.
func (h *header) complete(sos []byte) error {
	sof := h.frame
	if sof == nil {
		return refuse("it has no frame header")
	}
	// All components in one scan, the first with the Huffman tables 0, the others with 1.
	if len(sos) != 10 || sos[0] != 3 || sos[1] != sof[6] || sos[2] != 0 || sos[3] != sof[9] || sos[4] != 0x11 || sos[5] != sof[12] || sos[6] != 0x11 {
		return refuse("its scan is not of three components with the usual Huffman tables")
	}
	var used [3][]byte
	for i, number := range []byte{sof[8], sof[11], sof[14]} {
		if number >= byte(len(h.tables)) || h.tables[number] == nil {
			return refuse("its quantisation table %d is missing", number)
		}
		used[i] = h.tables[number]
	}
	if !bytes.Equal(used[1], used[2]) {
		return refuse("its two chroma components have different quantisation tables")
	}
	if sof[8] != 0 || sof[11] != 1 || sof[14] != 1 || h.tables[2] != nil || h.tables[3] != nil {
		h.tables, h.odd = [4][]byte{used[0], used[1]}, true
	}
	return nil
}

// write appends the same JPEG with canonical headers, without the segments that RTP does not transmit.
func (h *header) write(to []byte) []byte {
	to = append(to, 0xff, 0xd8)
	for i, table := range h.tables[:2] {
		to = append(append(to, 0xff, 0xdb, 0, 67, byte(i)), table...)
	}
	if h.restart != nil {
		to = append(append(to, 0xff, 0xdd, 0, 4), h.restart...)
	}
	to = append(append(to, 0xff, 0xc0, 0, 17), h.frame...)
	for i, component := range []int{8, 11, 14} {
		to[len(to)-15+component] = byte(min(i, 1)) // its quantisation table
	}
	return append(to, h.scan...)
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCannotCarry, fmt.Sprintf(format, args...))
}

// standardHuffman reports whether a DHT segment has only the tables of ITU-T T.81 annex K.3, which receivers assume. A table is
// identified by its class, number and code count per length; in practice, every encoder with those counts has the same values.
func standardHuffman(body []byte) bool {
	for len(body) >= 17 {
		table, ok := annexK[body[0]]
		if !ok || !bytes.Equal(body[1:17], table[:]) {
			return false
		}
		values := 0
		for _, n := range body[1:17] {
			values += int(n)
		}
		if len(body) < 17+values {
			return false
		}
		body = body[17+values:]
	}
	return len(body) == 0
}

// annexK holds the number of codes of length 1..16 for each of T.81's tables K.3 to K.6, by class<<4|number.
var annexK = map[byte][16]byte{
	0x00: {0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0},
	0x01: {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0},
	0x10: {0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d},
	0x11: {0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77},
}
