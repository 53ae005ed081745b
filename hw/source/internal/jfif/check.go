// Package jfif looks at JPEG pictures that are passed through without decoding: whether their markers fit together and how large they are; it
// finds them in a stream of bytes, and gives them the Huffman tables that motion JPEG leaves out.
package jfif

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// JPEG's markers (ITU-T T.81, table B.1).
const (
	tem  = 0x01
	sof0 = 0xc0
	dht  = 0xc4
	jpg  = 0xc8
	dac  = 0xcc
	rst0 = 0xd0
	rst7 = 0xd7
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
)

// Header is what a picture says of itself.
type Header struct {
	Width, Height int // pixels
	Components    int // 1: grey, 3: YCbCr as a rule
	Size          int // bytes from SOI to EOI; what follows is no part of the picture
	scan          int // where the first SOS marker is
	huffman       bool
}

var (
	errTruncated = errors.New("ends before its EOI marker")
	errNoStart   = errors.New("does not begin with an SOI marker")
)

// Check walks through data's markers from SOI to EOI and reports what does not fit. It does not decode: entropy-coded bytes may still be
// damaged. Errors wrap frame.ErrBadPicture.
func Check(data []byte) (Header, error) {
	var w walker
	done, err := w.walk(data)
	if err == nil && !done {
		err = errTruncated
	}
	if err != nil {
		return Header{}, fmt.Errorf("jpeg: %w: %w (%d bytes)", frame.ErrBadPicture, err, len(data))
	}
	return w.header, nil
}

// walker goes through one picture, as far as its bytes are there, and goes on when more are.
type walker struct {
	header Header
	pos    int  // walked so far
	coded  bool // pos is in entropy-coded bytes
	sof    bool
	broken int // where the last marker was looked for
}

// resume is where the next picture may begin after walk has reported an error. A picture that was cut off in its headers has a length that reaches into the
// next one, so the search goes on at the front; behind the headers it does not, for they may have a thumbnail in them, which is a JPEG too.
func (w *walker) resume() int {
	if w.header.scan > 0 {
		return w.broken
	}
	return 2
}

// walk goes on through data, which holds the picture from its first byte. It returns true at the end of the picture (header.Size), false when
// data ends before.
func (w *walker) walk(data []byte) (done bool, err error) {
	if w.pos == 0 {
		if len(data) < 2 {
			return false, nil
		}
		if data[0] != 0xff || data[1] != soi {
			return false, errNoStart
		}
		w.pos = 2
	}
	for {
		if w.coded && !w.skipCoded(data) {
			return false, nil
		}
		for w.pos+1 < len(data) && data[w.pos] == 0xff && data[w.pos+1] == 0xff { // fill bytes
			w.pos++
		}
		if w.pos+1 >= len(data) {
			return false, nil
		}
		w.broken = w.pos
		if data[w.pos] != 0xff {
			return false, fmt.Errorf("byte 0x%02x at %d where a marker must be", data[w.pos], w.pos)
		}
		marker := data[w.pos+1]
		switch {
		case marker == eoi:
			if w.header.scan == 0 {
				w.broken += 2
				return false, errors.New("has no scan (SOS marker)")
			}
			w.pos += 2
			w.header.Size = w.pos
			return true, nil
		case marker == soi:
			return false, fmt.Errorf("another picture begins at %d, before this one's end", w.pos)
		case marker == 0 || marker == tem || marker >= rst0 && marker <= rst7:
			return false, fmt.Errorf("marker 0x%02x at %d outside of a scan", marker, w.pos)
		}
		if w.pos+4 > len(data) {
			return false, nil
		}
		length := int(data[w.pos+2])<<8 | int(data[w.pos+3])
		if length < 2 {
			return false, fmt.Errorf("segment 0x%02x at %d has length %d", marker, w.pos, length)
		}
		if w.pos+2+length > len(data) {
			return false, nil
		}
		if err := w.segment(marker, data[w.pos+4:w.pos+2+length]); err != nil {
			return false, err
		}
		w.pos += 2 + length
	}
}

// skipCoded goes to the marker that ends a scan; false: it is not there yet.
func (w *walker) skipCoded(data []byte) bool {
	for {
		i := bytes.IndexByte(data[w.pos:], 0xff)
		if i < 0 {
			w.pos = len(data)
			return false
		}
		w.pos += i
		if w.pos+1 >= len(data) {
			return false
		}
		switch next := data[w.pos+1]; {
		case next == 0 || next >= rst0 && next <= rst7:
			w.pos += 2
		case next == 0xff:
			w.pos++
		default:
			w.coded = false
			return true
		}
	}
}

// segment takes note of what a segment's payload says.
func (w *walker) segment(marker byte, payload []byte) error {
	switch {
	case marker == dht:
		w.header.huffman = true
	case marker == sos:
		if !w.sof {
			return errors.New("scan before the frame header (SOF marker)")
		}
		if len(payload) < 1 || len(payload) != 4+2*int(payload[0]) || payload[0] < 1 || payload[0] > 4 {
			return fmt.Errorf("scan header of %d bytes", len(payload))
		}
		if w.header.scan == 0 {
			w.header.scan = w.pos
		}
		w.coded = true
	case marker >= sof0 && marker <= 0xcf && marker != jpg && marker != dac:
		if w.sof {
			return errors.New("two frame headers (SOF marker)")
		}
		if len(payload) < 6 || len(payload) != 6+3*int(payload[5]) {
			return fmt.Errorf("frame header of %d bytes", len(payload))
		}
		w.sof = true
		w.header.Height = int(payload[1])<<8 | int(payload[2])
		w.header.Width = int(payload[3])<<8 | int(payload[4])
		w.header.Components = int(payload[5])
		if err := frame.CheckSize(w.header.Width, w.header.Height); err != nil {
			return err
		}
		if payload[0] != 8 || (w.header.Components != 1 && w.header.Components != 3 && w.header.Components != 4) {
			return fmt.Errorf("%d components of %d bits: no viewer shows that", w.header.Components, payload[0])
		}
	}
	return nil
}
