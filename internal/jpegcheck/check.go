// Package jpegcheck inspects a JPEG without decoding it: whether it is complete, its dimensions, and whether it keeps within limits. It stands
// between bytes from outside (a webcam, a file, a stream, an upload) and viewers or a decoder.
//
// There is one parser of a JPEG's markers, Parser. It accepts what browsers and ffmpeg show: stray bytes between segments, a missing
// end-of-image marker, missing Huffman tables, any sampling factors. Complete writes what strict readers need.
package jpegcheck

import (
	"bytes"
	"encoding/binary"

	"github.com/maixstream/maixstream/hw/frame"
)

// Info describes a JPEG by its headers.
type Info struct {
	Width, Height int // pixels, 1 to 65535; whatever is decoded has tighter limits
	Components    int // 1 grey, 3 colour, 4 CMYK
	Progressive   bool
	Scans         int // 1 for a baseline picture; each scan of a progressive picture costs a pass over all of it
	// Subsampling holds the luma's sampling factors if both chroma components have 1x1: 0x22 for 4:2:0, 0x21 for 4:2:2, 0x11 for 4:4:4
	// and grey; 0 for any other combination.
	Subsampling byte
	// Orientation is Exif's: 1 (upright, or not given) to 8 as TIFF 6.0 numbers them.
	Orientation int
	// Size is the JPEG's length in the bytes given, from SOI to EOI, or to the end of its last scan if EOI is missing. Bytes after that are
	// not part of the picture.
	Size int
	// Images is the number of pictures that the file declares (CIPA DC-007 multi-picture format: gain maps, previews); 1 if it declares none.
	Images int

	fault faults
	scan  int // position of the first SOS marker
}

// faults are what Complete repairs.
type faults uint8

const (
	noEOI   faults = 1 << iota // the end-of-image marker is missing
	noDHT                      // Motion JPEG: the standard Huffman tables are omitted
	strayed                    // there are stray bytes between segments
)

// Whole reports whether any reader accepts the picture's bytes as they are; if not, Complete makes such a picture of them.
func (info *Info) Whole() bool { return info.fault == 0 }

// Error says why a JPEG is not usable. It wraps frame.ErrBadPicture.
type Error struct {
	Reason string // completes "JPEG …"
}

func (e *Error) Error() string { return "JPEG " + e.Reason }

// Unwrap returns frame.ErrBadPicture.
func (e *Error) Unwrap() error { return frame.ErrBadPicture }

// Parse checks that jpg begins with a JPEG that browsers and libjpeg decode (baseline, extended or progressive, Huffman-coded, 8 bits) and describes
// it. It follows every marker from SOI to EOI. A picture that lacks only its EOI is accepted (see Complete); a truncated one is refused. The
// entropy-coded data is examined only if EOI is missing. Errors are *Error. Parse does not allocate unless it refuses, and retains nothing
// of jpg.
func Parse(jpg []byte) (Info, error) {
	if len(jpg) < 4 || jpg[0] != 0xff || jpg[1] != soi {
		return Info{}, notJPEG(jpg)
	}
	var p Parser
	if _, err := p.Feed(jpg, true); err != nil {
		return Info{}, err
	}
	return p.Info(), nil
}

// Find returns where in data a JPEG may begin (SOI and another marker's first byte), or -1.
func Find(data []byte) int { return bytes.Index(data, []byte{0xff, soi, 0xff}) }

// CompleteSize returns the largest number of bytes that Complete writes.
func (info *Info) CompleteSize() int {
	if info.Whole() {
		return info.Size
	}
	return info.Size + len(StandardTables) + 2
}

// Complete copies the picture (for which Parse or a Parser has returned info) to dst such that every reader understands it: without stray
// bytes, with the standard Huffman tables if it has none, and with its end-of-image marker. It returns the number of bytes written; 0 if dst is
// too small (CompleteSize bytes always suffice).
func Complete(dst, jpg []byte, info *Info) int {
	if info.Whole() {
		if len(dst) < info.Size {
			return 0
		}
		return copy(dst, jpg[:info.Size])
	}
	n := 0
	put := func(b []byte) bool {
		fits := len(dst)-n >= len(b)
		n += copy(dst[n:], b)
		return fits
	}
	if info.fault&strayed == 0 {
		ok := put(jpg[:info.scan]) && (info.fault&noDHT == 0 || put(StandardTables)) && put(jpg[info.scan:info.Size])
		if !ok || info.fault&noEOI != 0 && !put(endOfImage) {
			return 0
		}
		return n
	}
	if !put(jpg[:2]) {
		return 0
	}
	w := walker{pos: 2}
	for {
		s, status := w.next(jpg[:info.Size], true)
		if status != isSegment {
			break
		}
		if s.marker == sos && s.at == info.scan && info.fault&noDHT != 0 && !put(StandardTables) {
			return 0
		}
		if !put(jpg[s.at:w.pos]) {
			return 0
		}
		if s.marker == sos {
			from := w.pos
			w.skipScan(jpg[:info.Size], true)
			if !put(jpg[from:w.pos]) {
				return 0
			}
		}
	}
	if !put(endOfImage) {
		return 0
	}
	return n
}

var endOfImage = []byte{0xff, eoi}

// Completed returns the picture as Complete writes it: jpg's own bytes if they are whole, otherwise a copy.
func Completed(jpg []byte, info *Info) []byte {
	if info.Whole() {
		return jpg[:info.Size:info.Size]
	}
	b := make([]byte, info.CompleteSize())
	return b[:Complete(b, jpg, info)]
}

// Segment is one segment of a JPEG's headers.
type Segment struct {
	Marker byte   // the byte after 0xff
	Body   []byte // without marker and length
	// Loose reports whether fill bytes or stray bytes precede it.
	Loose bool
}

// Headers calls each for the segments from SOI through the first SOS and returns the position of that marker. It returns
// the first error of each, or an *Error for data that is not a JPEG.
func Headers(jpg []byte, each func(Segment) error) (scan int, err error) {
	if len(jpg) < 4 || jpg[0] != 0xff || jpg[1] != soi {
		return 0, notJPEG(jpg)
	}
	w := walker{pos: 2}
	for end := 2; ; end = w.pos {
		s, status := w.next(jpg, true)
		if status != isSegment {
			return 0, cutOff(&w, status, len(jpg))
		}
		if err := each(Segment{s.marker, jpg[s.body:w.pos], s.at != end}); err != nil {
			return 0, err
		}
		if s.marker == sos {
			return s.at, nil
		}
	}
}

func u16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }
