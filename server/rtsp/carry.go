package rtsp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCannotCarry is behind each refusal of a JPEG that RFC 2435 has no way to describe.
var ErrCannotCarry = errors.New("RTP/JPEG (RFC 2435) cannot carry this picture")

// maxSide is RFC 2435's limit: width and height travel as one byte each, in units of 8 pixels (section 3.1.5).
const maxSide = 255 * 8

// Carries reports, wrapping ErrCannotCarry, why RTP/JPEG cannot carry a JPEG: its receivers rebuild the headers from a
// type number, so only baseline 4:2:0 or 4:2:2 with the standard Huffman tables arrives as it was sent.
func Carries(jpeg []byte) error {
	if len(jpeg) < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8 {
		return refuse("it is not a JPEG")
	}
	for rest := jpeg[2:]; len(rest) >= 4; {
		if rest[0] != 0xff {
			return refuse("its headers are broken")
		}
		marker, length := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if length < 2 || len(rest) < 2+length {
			return refuse("it is cut short")
		}
		body := rest[4 : 2+length]
		rest = rest[2+length:]
		switch {
		case marker == 0xda: // scan: all headers are seen
			return nil
		case marker == 0xc0:
			if err := carriesFrame(body); err != nil {
				return err
			}
		case marker > 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return refuse("it is not baseline (marker ff%02x)", marker)
		case marker == 0xc4:
			if !standardHuffman(body) {
				return refuse("its Huffman tables are not the standard ones (optimised coding?)")
			}
		case marker == 0xdb:
			if len(body) > 0 && body[0]>>4 != 0 {
				return refuse("its quantisation tables have 16 bits")
			}
		case marker >= 0xe0 && marker <= 0xe2, marker == 0xfe, marker == 0xdd:
		default:
			return refuse("it has a segment ff%02x", marker)
		}
	}
	return refuse("it is cut short")
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
		return refuse("its chroma is neither 4:2:0 nor 4:2:2")
	}
	return nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCannotCarry, fmt.Sprintf(format, args...))
}

// standardHuffman says whether a DHT segment has only tables of ITU-T T.81 annex K.3, which receivers assume. A table is
// told by its class, number and count of codes of each length; the values follow from them in every encoder that is meant here.
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

// annexK: codes of length 1..16 for each table of T.81 tables K.3 to K.6, by class<<4|number.
var annexK = map[byte][16]byte{
	0x00: {0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0},
	0x01: {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0},
	0x10: {0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d},
	0x11: {0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77},
}
