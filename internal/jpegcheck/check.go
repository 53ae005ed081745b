// Package jpegcheck looks at a JPEG without decoding it: is it whole, how large is its picture, does it keep within limits. It is what stands
// between bytes from outside (a webcam, a file, an upload) and viewers or a decoder.
package jpegcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Info is what a JPEG's headers say.
type Info struct {
	Width, Height int // pixels, 1..frame.MaxDimension
	Components    int // 1 grey, 3 colour, 4 CMYK
	Progressive   bool
	Scans         int // 1 for an ordinary picture; each scan of a progressive picture costs a pass over all of it
	// Subsampling is the luma's sampling factors when both chroma components have 1x1: 0x22 for 4:2:0, 0x21 for 4:2:2, 0x11 for 4:4:4
	// and grey; 0 for any other combination.
	Subsampling byte
	// Size is the JPEG's length from SOI to EOI: less than the bytes given when something follows.
	Size int
}

// maxScans is above what any encoder's progressive script makes (about 10), and bounds what a hostile file can cost a decoder.
const maxScans = 64

// Markers of ISO/IEC 10918-1, table B.1.
const (
	sof0 = 0xc0
	sof2 = 0xc2
	dht  = 0xc4
	rst0 = 0xd0
	rst7 = 0xd7
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
	dnl  = 0xdc
	tem  = 0x01
)

// bad carries what is wrong without an allocation on the way of good pictures; it wraps frame.ErrBadPicture.
func bad(format string, args ...any) error {
	return fmt.Errorf("jpeg: "+format+": %w", append(args, frame.ErrBadPicture)...)
}

// Parse checks that jpg begins with a whole JPEG as browsers and libjpeg decode it (baseline, extended or progressive, Huffman-coded, 8 bits) and says what it
// is. It follows every marker from SOI to EOI: a picture cut off anywhere, even in its scan data, is refused. What is coded in the
// scan is not looked at. Errors wrap frame.ErrBadPicture. It does not allocate unless it refuses, and keeps nothing of jpg.
func Parse(jpg []byte) (Info, error) {
	var info Info
	if len(jpg) < 4 || jpg[0] != 0xff || jpg[1] != soi {
		return Info{}, bad("does not begin with SOI (%d bytes)", len(jpg))
	}
	pos := 2
	for {
		if pos >= len(jpg) || jpg[pos] != 0xff {
			return Info{}, noMarker(jpg, pos)
		}
		for pos < len(jpg) && jpg[pos] == 0xff { // any number of fill bytes
			pos++
		}
		if pos >= len(jpg) {
			return Info{}, noMarker(jpg, pos)
		}
		marker := jpg[pos]
		pos++
		if marker == eoi {
			if info.Scans == 0 {
				return Info{}, bad("ends without a picture")
			}
			info.Size = pos
			return info, nil
		}
		if marker == 0 || marker == tem || marker == soi || marker >= rst0 && marker <= rst7 {
			return Info{}, bad("marker %#x at byte %d is out of place", marker, pos-1)
		}
		if len(jpg)-pos < 2 {
			return Info{}, bad("cut off in a header at byte %d", pos)
		}
		n := int(binary.BigEndian.Uint16(jpg[pos:]))
		if n < 2 || n > len(jpg)-pos {
			return Info{}, bad("segment %#x of %d bytes at byte %d goes past the end", marker, n, pos)
		}
		segment := jpg[pos+2 : pos+n]
		pos += n
		switch {
		case marker >= sof0 && marker <= sof2:
			if info.Components != 0 {
				return Info{}, bad("has two frame headers")
			}
			if err := info.frameHeader(segment, marker == sof2); err != nil {
				return Info{}, err
			}
		case marker > sof2 && marker <= 0xcf && marker != dht:
			return Info{}, bad("coding process %#x is not supported (lossless, hierarchical or arithmetic)", marker)
		case marker == dnl:
			return Info{}, bad("its height comes after its scan (DNL)")
		case marker == sos:
			if err := info.scanHeader(segment); err != nil {
				return Info{}, err
			}
			if pos = skipScan(jpg, pos); pos < 0 {
				return Info{}, bad("cut off in its scan data (%d bytes)", len(jpg))
			}
		}
	}
}

func noMarker(jpg []byte, pos int) error {
	if pos >= len(jpg) {
		return bad("cut off after %d bytes", len(jpg))
	}
	return bad("no marker at byte %d", pos)
}

// frameHeader reads B.2.2.
func (info *Info) frameHeader(b []byte, progressive bool) error {
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return bad("frame header of %d bytes", len(b))
	}
	h, w, n := int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:])), int(b[5])
	if b[0] != 8 {
		return bad("has %d bits a sample", b[0])
	}
	if n != 1 && n != 3 && n != 4 {
		return bad("has %d components", n)
	}
	if err := frame.CheckSize(w, h); err != nil {
		return bad("%w", err)
	}
	for i := range n {
		sampling := b[6+3*i+1]
		if hor, ver := sampling>>4, sampling&15; hor < 1 || hor > 4 || ver < 1 || ver > 4 || b[6+3*i+2] > 3 {
			return bad("component %d has sampling %#x", i, sampling)
		}
	}
	info.Width, info.Height, info.Components, info.Progressive, info.Subsampling = w, h, n, progressive, b[7]
	switch {
	case n == 1:
		info.Subsampling = 0x11 // the factors of a single component mean nothing
	case n == 4 || b[10] != 0x11 || b[13] != 0x11:
		info.Subsampling = 0
	}
	return nil
}

// scanHeader reads B.2.3.
func (info *Info) scanHeader(b []byte) error {
	if info.Components == 0 {
		return bad("a scan before its frame header")
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || int(b[0]) > info.Components {
		return bad("scan header of %d bytes", len(b))
	}
	if info.Scans++; info.Scans > maxScans {
		return bad("has more than %d scans", maxScans)
	}
	return nil
}

// skipScan returns the position of the first marker at or after pos that is neither a restart nor a stuffed byte, or -1.
func skipScan(jpg []byte, pos int) int {
	for {
		i := bytes.IndexByte(jpg[pos:], 0xff)
		if i < 0 || pos+i+1 >= len(jpg) {
			return -1
		}
		pos += i
		if m := jpg[pos+1]; m != 0 && m != 0xff && (m < rst0 || m > rst7) {
			return pos
		} else if m == 0xff {
			pos++ // a fill byte: the next one may begin the marker
		} else {
			pos += 2
		}
	}
}
