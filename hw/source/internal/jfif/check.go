// Package jfif handles JPEG pictures that are passed through without decoding: it finds them in a stream of bytes, has them checked, and gives
// them the Huffman tables that motion JPEG leaves out.
package jfif

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// JPEG's markers (ITU-T T.81, table B.1).
const (
	tem  = 0x01
	dht  = 0xc4
	rst0 = 0xd0
	rst7 = 0xd7
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
)

// Header is what a picture says of itself.
type Header struct {
	jpegcheck.Info
	scan    int // where the first SOS marker is
	huffman bool
}

// Check checks data as jpegcheck.Parse does. Errors wrap frame.ErrBadPicture.
func Check(data []byte) (Header, error) {
	info, err := jpegcheck.Parse(data)
	if err != nil {
		return Header{}, err
	}
	h := Header{Info: info}
	for pos := 2; h.scan == 0; { // the segments are all there: Parse went through them
		switch {
		case data[pos+1] == 0xff:
			pos++
			continue
		case data[pos+1] == dht:
			h.huffman = true
		case data[pos+1] == sos:
			h.scan = pos
		}
		pos += 2 + int(data[pos+2])<<8 + int(data[pos+3])
	}
	return h, nil
}

// walker finds a picture's end by its markers, as far as its bytes are there, and goes on when more are. What the segments say is not its business.
type walker struct {
	pos    int  // walked so far
	coded  bool // pos is in entropy-coded bytes
	scans  int
	broken int // where the last marker was looked for
}

// resume is where the next picture may begin after walk has reported an error. A picture that was cut off in its headers has a length that reaches into the
// next one, so the search goes on at the front; behind the headers it does not, for they may have a thumbnail in them, which is a JPEG too.
func (w *walker) resume() int {
	if w.scans > 0 {
		return w.broken
	}
	return 2
}

// walk goes on through data, which holds the picture from its SOI marker on. It returns true at the end of the picture (pos), false when data ends
// before.
func (w *walker) walk(data []byte) (done bool, err error) {
	w.pos = max(2, w.pos)
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
			w.pos += 2
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
			return false, errors.New("a segment without its length")
		}
		if w.pos+2+length > len(data) {
			return false, nil
		}
		w.pos += 2 + length
		if marker == sos {
			w.coded = true
			w.scans++
		}
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
