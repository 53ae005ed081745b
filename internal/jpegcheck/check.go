// Package jpegcheck looks at a JPEG without decoding it: is it whole, how large is its picture, does it keep within limits. It is what stands
// between bytes from outside (a webcam, a file, a stream, an upload) and viewers or a decoder.
//
// There is one walk over a JPEG's markers, that of Parser, which accepts what browsers and ffmpeg show: stray bytes between segments, a missing
// end-of-image marker, missing Huffman tables, any sampling factors. Complete writes what strict readers need.
package jpegcheck

import (
	"encoding/binary"

	"github.com/maixstream/maixstream/hw/frame"
)

// Info is what a JPEG's headers say.
type Info struct {
	Width, Height int // pixels, 1 to 65535: what must be decoded has closer limits
	Components    int // 1 grey, 3 colour, 4 CMYK
	Progressive   bool
	Scans         int // 1 for an ordinary picture; each scan of a progressive picture costs a pass over all of it
	// Subsampling is the luma's sampling factors when both chroma components have 1x1: 0x22 for 4:2:0, 0x21 for 4:2:2, 0x11 for 4:4:4
	// and grey; 0 for any other combination.
	Subsampling byte
	// Orientation is Exif's: 1 (upright, or not given) to 8 as TIFF 6.0 numbers them.
	Orientation int
	// Size is the length of the JPEG in the bytes given, from SOI to EOI, or to the end of its last scan where EOI is missing. Bytes after that are
	// not part of the picture.
	Size int
	// Images is how many pictures the file says it has (CIPA DC-007 multi-picture format: gain maps, previews); 1 where it says nothing.
	Images int

	fault faults
	scan  int // where the first SOS marker is
}

// faults are what Complete mends.
type faults uint8

const (
	noEOI   faults = 1 << iota // the end-of-image marker is missing
	noDHT                      // motion JPEG: the standard Huffman tables are left out
	strayed                    // bytes between segments that belong to none
)

// Whole says that the picture's bytes can be given to any reader as they are; if not, Complete makes such a picture of them.
func (info *Info) Whole() bool { return info.fault == 0 }

// Error is why a JPEG is not usable. It wraps frame.ErrBadPicture.
type Error struct {
	Reason string // completes "JPEG …"
}

func (e *Error) Error() string { return "JPEG " + e.Reason }

// Unwrap returns frame.ErrBadPicture.
func (e *Error) Unwrap() error { return frame.ErrBadPicture }

// Parse checks that jpg begins with a JPEG as browsers and libjpeg decode it (baseline, extended or progressive, Huffman-coded, 8 bits) and says what
// it is. It follows every marker from SOI to EOI. A picture that lacks only its EOI is accepted (see Complete); one that is cut off is refused. What
// is coded in the scans is looked at only where EOI is missing. Errors are *Error. It does not allocate unless it refuses, and keeps nothing
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

// CompleteSize returns how many bytes Complete needs at most.
func (info *Info) CompleteSize() int {
	if info.Whole() {
		return info.Size
	}
	return info.Size + len(StandardTables) + 2
}

// Complete copies the picture (of which Parse or a Parser has returned info) into dst so that every reader understands it: without bytes that belong
// to no segment, with the standard Huffman tables where it has none, and with its end-of-image marker. It returns its size there; 0 when dst is
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

// Completed returns the picture as Complete writes it: jpg's own bytes where they are whole, else a copy.
func Completed(jpg []byte, info *Info) []byte {
	if info.Whole() {
		return jpg[:info.Size:info.Size]
	}
	b := make([]byte, info.CompleteSize())
	return b[:Complete(b, jpg, info)]
}

// Segment is a part of a JPEG's headers.
type Segment struct {
	Marker byte   // the byte behind 0xff
	Body   []byte // without marker and length
	// Loose says that fill bytes, or bytes that belong to no segment, stand before it.
	Loose bool
}

// Headers calls each with the segments from SOI to the first scan, whose own segment is the last one, and returns where the marker of that is. It ends
// with each's first error, or an *Error for what is no JPEG.
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
