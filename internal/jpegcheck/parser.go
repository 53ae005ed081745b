package jpegcheck

import (
	"bytes"
	"fmt"

	"github.com/maixstream/maixstream/internal/sniff"
)

// maxScans is more than any encoder's progressive script makes (about 10), and bounds what a hostile file can cost a decoder.
const maxScans = 64

// Parser checks one JPEG as its bytes arrive, looking at each byte once. The zero Parser is ready to use.
type Parser struct {
	walker
	info   Info
	coded  bool // the walker is within a scan
	ids    [4]byte
	quants [4]byte // the components' quantisation tables
	seen   uint8   // components for which a scan has begun, by bit
	dqts   uint8   // quantisation tables defined
	dhts   uint8   // Huffman tables defined: DC 0 to 3, AC 0 to 3
	wants  uint8   // Huffman tables that scans use
	last   scan
	ended  int // where the last segment ended
	stands int // stray bytes up to there
	fault  *Error
	resume int // where to look for the next picture after an error
}

// scan is what must be known of the last scan to find its end.
type scan struct {
	at        int // of its marker
	component [4]byte
	n         int
}

// Info describes the picture once Feed has returned true.
func (p *Parser) Info() Info { return p.info }

// Feed continues through data, which holds the picture from its SOI marker on and more of it with each call; last says that no more follows. It returns true at
// the end of the picture. For an unusable picture it returns an *Error; Skip then returns where to continue.
func (p *Parser) Feed(data []byte, last bool) (done bool, err error) {
	if p.pos < 2 {
		p.pos = 2
		p.info.Orientation, p.info.Images = 1, 1
	}
	for {
		if p.coded {
			if !p.skipScan(data, last) {
				if !last {
					return false, nil
				}
				return p.endsOpen(data)
			}
			p.coded = false
		}
		s, status := p.next(data, last)
		switch status {
		case isSegment:
			swallowed := 0
			if p.stray != p.stands {
				swallowed = p.ended
			}
			p.ended, p.stands = p.pos, p.stray
			p.coded = s.marker == sos
			if p.fault == nil {
				if p.fault = p.segment(s, data[s.body:p.pos]); p.fault != nil {
					swallowed = p.pos
				}
			}
			if s.marker < app0 && bytes.Contains(data[s.at:p.pos], startOfImage) {
				swallowed = p.pos
			}
			if swallowed > 0 && !last {
				if at := cutBefore(data, swallowed); at > 0 {
					p.fault = nil
					return p.fail(at, "is cut off in its headers")
				}
			}
		case isEnd:
			if p.fault == nil && p.info.Scans == 0 {
				p.fault = &Error{"ends without a picture"}
			}
			if p.fault == nil && p.stray != p.stands { // the last scan was ended by a byte that is no marker's
				return p.endsOpen(data[:p.pos-2])
			}
			return p.settle(p.pos)
		case isStart:
			if p.info.Scans > 0 {
				return p.endsOpen(data[:p.pos])
			}
			return p.fail(p.pos, "is cut off in its headers: another picture begins at byte %d", p.pos)
		case isBad:
			if p.info.Scans > 0 {
				return p.fail(p.pos, "%s", badMarker(&p.walker, s))
			}
			return p.fail(2, "%s", badMarker(&p.walker, s))
		case isShort:
			switch {
			case !last:
				return false, nil
			case p.info.Scans > 0 && s.marker == 0: // bytes after the last scan, but no marker
				return p.endsOpen(data[:p.ended])
			}
			return p.fail(len(data), "is cut off in its headers (%d bytes)", len(data))
		}
	}
}

// settle decides on a picture that ends at size.
func (p *Parser) settle(size int) (bool, error) {
	if p.fault == nil {
		p.fault = p.tables()
	}
	p.resume = size
	if p.fault != nil {
		return false, p.fault
	}
	if p.stray > 0 {
		p.info.fault |= strayed
	}
	p.info.Size = size
	return true, nil
}

// endsOpen ends a picture without EOI: it is whole if its last scan is.
func (p *Parser) endsOpen(data []byte) (bool, error) {
	end := len(data)
	if p.fault == nil {
		var whole bool
		if end, whole = p.scanEnd(data); !whole {
			return p.fail(len(data), "is cut off in its scan data (%d bytes)", len(data))
		}
	}
	p.info.fault |= noEOI
	done, err := p.settle(end)
	if err != nil {
		p.resume = len(data)
	}
	return done, err
}

// fail ends a picture whose end cannot be determined.
func (p *Parser) fail(resume int, format string, args ...any) (bool, error) {
	p.resume = resume
	if p.fault == nil {
		p.fault = &Error{fmt.Sprintf(format, args...)}
	}
	return false, p.fault
}

// Skip returns where the next picture may begin after an error of Feed. In a picture that is cut off in its headers a segment's length reaches into the next
// picture, so the search starts at the front; after the headers it does not, because they may contain a thumbnail, which is a JPEG, too.
func (p *Parser) Skip() int { return max(2, p.resume) }

// cutBefore returns the position in the segments before end where another picture begins that is not a complete one (a thumbnail), and so was swallowed by
// them; 0 if there is none.
func cutBefore(data []byte, end int) int {
	for from := 2; ; {
		i := bytes.Index(data[from:end], startOfImage)
		if i < 0 {
			return 0
		}
		from += i
		w := walker{pos: from + 2}
		for status := isSegment; status != isEnd; {
			var s segment
			if s, status = w.next(data[:end], false); status == isSegment && s.marker == sos {
				w.skipScan(data[:end], false)
			} else if status == isShort || status == isBad || status == isStart {
				return from
			}
		}
		from = w.pos
	}
}

var startOfImage = []byte{0xff, soi, 0xff}

func badMarker(w *walker, s segment) string {
	if w.stray > maxStray {
		return fmt.Sprintf("has no marker within %d bytes (damaged)", maxStray)
	}
	return fmt.Sprintf("has a segment %#02x without a length at byte %d", s.marker, s.at)
}

func cutOff(w *walker, status status, size int) *Error {
	switch status {
	case isStart:
		return &Error{fmt.Sprintf("is cut off in its headers: another picture begins at byte %d", w.pos)}
	case isEnd:
		return &Error{"ends without a picture"}
	case isBad:
		return &Error{"has damaged headers"}
	}
	return &Error{fmt.Sprintf("is cut off in its headers (%d bytes)", size)}
}

func notJPEG(data []byte) *Error {
	switch name := sniff.Name(data); {
	case len(data) == 0:
		return &Error{"is empty"}
	case name != "":
		return &Error{"is expected, but this is " + name}
	case len(data) >= 2 && data[0] == 0xff && data[1] == soi:
		return &Error{fmt.Sprintf("is cut off in its headers (%d bytes)", len(data))}
	}
	return &Error{fmt.Sprintf("is expected, but the data begins with %q", data[:min(len(data), 8)])}
}
