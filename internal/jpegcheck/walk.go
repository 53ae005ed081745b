package jpegcheck

import (
	"bytes"
)

// Markers of ITU-T T.81, table B.1.
const (
	sof0  = 0xc0
	sof2  = 0xc2
	sof55 = 0xf7 // JPEG-LS
	dht   = 0xc4
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dnl   = 0xdc
	dri   = 0xdd
	app0  = 0xe0
	app1  = 0xe1
	app2  = 0xe2
)

// maxStray bounds the stray bytes skipped in one picture: data with more of them is not a JPEG.
const maxStray = 64 << 10

// walker goes from marker to marker through a JPEG's headers as far as its bytes have arrived, and continues when there are more.
type walker struct {
	pos   int // position reached
	stray int // number of stray bytes
}

// segment locates a marker and its segment, which ends at the walker's position.
type segment struct {
	marker   byte
	at, body int
}

// status is the result of a step.
type status uint8

const (
	isSegment status = iota // the walker is after it
	isEnd                   // EOI: the walker is after it
	isStart                 // SOI: the walker is before it
	isShort                 // the bytes end before the segment does
	isBad                   // an impossible length, or too many stray bytes
)

// next goes to the next marker and past its segment. Like libjpeg, it skips whatever is not a marker, and markers without a meaning outside of a scan. If
// more bytes are to come (last is false), a marker whose segment is incomplete is visited again by the next call.
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

// skipScan goes to the marker that ends the current scan. It returns false if the marker has not arrived; the walker is then after the bytes that
// are certain.
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
