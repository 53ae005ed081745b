package jpegcheck

import (
	"bytes"
)

// Markers of ITU-T T.81, table B.1.
const (
	sof0 = 0xc0
	sof2 = 0xc2
	dht  = 0xc4
	rst0 = 0xd0
	rst7 = 0xd7
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
	dqt  = 0xdb
	dnl  = 0xdc
	dri  = 0xdd
	app0 = 0xe0
	app1 = 0xe1
	app2 = 0xe2
)

// maxStray is how many bytes that belong to no segment are skipped, in all: more is no JPEG any more.
const maxStray = 64 << 10

// walker goes from marker to marker through a JPEG's headers, as far as its bytes are there, and goes on when there are more.
type walker struct {
	pos   int // walked so far
	stray int // bytes that belonged to nothing
}

// segment is where a marker and its segment are; the segment ends where the walker is.
type segment struct {
	marker   byte
	at, body int
}

// status is what a walk has come to.
type status uint8

const (
	isSegment status = iota // the walker stands behind it
	isEnd                   // EOI: the walker stands behind it
	isStart                 // SOI: the walker stands before it
	isShort                 // the bytes end before the segment does
	isBad                   // a length that is none, or too many stray bytes
)

// next goes to the next marker and over its segment. As libjpeg does, it skips what is no marker, and markers that mean nothing outside of a scan. With
// more bytes to come (last false) a marker whose segment is not there yet is walked again by the next call.
func (w *walker) next(data []byte, last bool) (segment, status) {
	for {
		i := bytes.IndexByte(data[min(w.pos, len(data)):], 0xff)
		if i < 0 {
			w.skip(len(data))
			return segment{}, isShort
		}
		if w.skip(w.pos + i); w.stray > maxStray {
			return segment{}, isBad
		}
		at := w.pos
		for at+1 < len(data) && data[at+1] == 0xff { // fill bytes
			at++
		}
		if at+1 >= len(data) {
			if last {
				w.pos = len(data)
			}
			return segment{}, isShort
		}
		marker := data[at+1]
		switch {
		case marker < sof0 || marker >= rst0 && marker <= rst7: // stuffing, TEM, reserved ones: what has no length
			w.stray += 2
			w.pos = at + 2
			continue
		case marker == eoi:
			w.pos = at + 2
			return segment{marker: marker, at: at}, isEnd
		case marker == soi:
			w.pos = at
			return segment{marker: marker, at: at}, isStart
		}
		if at+4 > len(data) {
			return segment{marker: marker, at: at}, isShort
		}
		n := u16(data[at+2:])
		if n < 2 {
			return segment{marker: marker, at: at}, isBad
		}
		if at+2+n > len(data) {
			return segment{marker: marker, at: at}, isShort
		}
		w.pos = at + 2 + n
		return segment{marker, at, at + 4}, isSegment
	}
}

func (w *walker) skip(to int) {
	w.stray += to - w.pos
	w.pos = to
}

// skipScan goes to the marker that ends the scan in which the walker stands; false: it is not there (yet), and the walker stands behind what can be
// told.
func (w *walker) skipScan(data []byte, last bool) bool {
	for {
		i := bytes.IndexByte(data[w.pos:], 0xff)
		if i < 0 {
			w.pos = len(data)
			return false
		}
		w.pos += i
		if w.pos+1 >= len(data) {
			if last {
				w.pos = len(data)
			}
			return false
		}
		switch m := data[w.pos+1]; {
		case m == 0 || m >= rst0 && m <= rst7:
			w.pos += 2
		case m == 0xff:
			w.pos++
		default:
			return true
		}
	}
}
