// Package jfif finds JPEG pictures in a byte stream.
package jfif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// MaxPicture is the maximum size of a picture in bytes: no camera's is larger, and a stream that has lost synchronisation must not
// exhaust the memory.
const MaxPicture = 32 << 20

// Picture is a JPEG from a stream, which may need jpegcheck.Complete.
type Picture struct {
	Data []byte // valid until the scanner's next call
	Info jpegcheck.Info
	// Arrived is when the picture's last byte was read.
	Arrived time.Time
	// Stamp is the capture time in the part's headers (X-Timestamp), by the sender's clock; zero: none.
	Stamp time.Time
}

// Scanner finds the pictures in a stream of concatenated JPEGs, with anything between them (padding, or the headers of a multipart stream).
type Scanner struct {
	r       io.Reader
	buffer  []byte
	have    []byte // part of buffer: read, but not returned yet
	arrived time.Time
	err     error // the reader's
	parser  jpegcheck.Parser
	part    part
	skipped part // at the end of a broken picture: the headers of the one after it
	extra   int  // pictures to skip: the previous one lists them as its previews
	parts   bool // the previous picture had headers
	rest    int  // bytes left of its part
	passed  int64
	found   bool
}

// part is what the headers before a picture specify.
type part struct {
	text   bool // there are headers
	length int  // Content-Length; 0: none
	stamp  time.Time
}

// NewScanner returns a Scanner that reads from r, whose reads should be large.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: r, buffer: make([]byte, 256<<10)}
}

// Reset starts over with another stream, keeping the memory.
func (s *Scanner) Reset(r io.Reader) {
	*s = Scanner{r: r, buffer: s.buffer}
}

// Passed returns how many bytes were skipped before the first picture.
func (s *Scanner) Passed() int64 { return s.passed }

// Swap hands the memory of the picture that Next returned last to the caller, and continues in spare, or in new memory if that is too small. It returns
// the memory handed over, which may be a later call's spare.
func (s *Scanner) Swap(spare []byte) (memory []byte) {
	memory = s.buffer
	if len(spare) < len(memory) {
		spare = make([]byte, len(memory))
	}
	s.buffer = spare
	s.have = spare[:copy(spare, s.have)]
	return memory
}

// Next returns the next picture. A broken one is skipped and reported (frame.ErrBadPicture, wrapped); the next call continues
// after it. At the end it returns io.EOF, or io.ErrUnexpectedEOF within a picture; other errors are the reader's.
func (s *Scanner) Next() (Picture, error) {
	for {
		picture, err := s.next()
		if err != nil {
			return picture, err
		}
		// A part, or a file with an index of its pictures, is one picture followed by previews and other additions of cameras and phones.
		if second := !s.part.text && (s.parts || s.extra > 0 && picture.Info.Images == 1); second {
			s.extra--
			continue
		}
		s.extra, s.parts = picture.Info.Images-1, s.part.text
		s.rest = max(0, s.part.length-picture.Info.Size)
		return picture, nil
	}
}

func (s *Scanner) next() (Picture, error) {
	if err := s.findStart(); err != nil {
		return Picture{}, err
	}
	s.parser = jpegcheck.Parser{}
	for {
		limit, last := len(s.have), s.err != nil
		if n := s.part.length; n > 0 && len(s.have) >= n {
			switch s.boundaryAt(n) {
			case yes:
				limit, last = n, true
			case no:
				s.part.length = 0
			case unknown:
				limit = n
			}
		}
		done, err := s.parser.Feed(s.have[:limit], last)
		switch {
		case done:
			info := s.parser.Info()
			picture := s.have[:info.Size:info.Size]
			s.have = s.have[info.Size:]
			s.found = true
			return Picture{picture, info, s.arrived, s.part.stamp}, nil
		case err != nil && s.err != nil && limit == len(s.have) && s.parser.Skip() >= limit: // truncated by the stream's end
			s.have = nil
			if errors.Is(s.err, io.EOF) {
				return Picture{}, io.ErrUnexpectedEOF
			}
			return Picture{}, s.err
		case err != nil:
			skip := s.parser.Skip()
			s.skipped.read(s.have[:skip])
			s.have = s.have[skip:]
			return Picture{}, err
		case len(s.have) >= MaxPicture:
			size := len(s.have)
			s.have = s.have[size:]
			return Picture{}, fmt.Errorf("%w: no end within %d MiB", frame.ErrBadPicture, size>>20)
		}
		if err := s.more(); err != nil && !errors.Is(err, io.EOF) {
			return Picture{}, err
		}
	}
}

type answer uint8

const (
	unknown answer = iota
	yes
	no
)

// boundaryAt reports whether a part ends at n: Content-Length is not always right.
func (s *Scanner) boundaryAt(n int) answer {
	if len(s.have) < n+4 {
		return unknown
	}
	behind := s.have[n:]
	if bytes.HasPrefix(behind, []byte("\r\n--")) || bytes.HasPrefix(behind, []byte("--")) || bytes.HasPrefix(behind, []byte("\n--")) {
		return yes
	}
	return no
}

// gap is how many bytes before a picture are kept for parsing: more than a part's headers have.
const gap = 4096

// findStart drops bytes up to an SOI marker followed by another marker, and parses the headers before it.
func (s *Scanner) findStart() error {
	skipped := s.skipped
	s.part, s.skipped = part{}, part{}
	for s.rest > 0 && s.err == nil {
		switch end := s.boundaryAt(s.rest); {
		case end == yes:
			s.drop(s.rest)
			s.rest = 0
		case end == no || s.rest > MaxPicture:
			s.rest = 0
		default:
			_ = s.more() // the next call returns the error again
		}
	}
	s.rest = 0
	for from := 0; ; {
		at, found := s.start(from)
		if found {
			if s.part.read(s.have[:at]); at == 0 {
				s.part = skipped
			}
			s.drop(at)
			return nil
		}
		if at > 4*gap {
			s.drop(at - gap)
			at = gap
		}
		from = at
		if err := s.more(); err != nil {
			s.drop(len(s.have))
			return err
		}
	}
}

var startOfImage = []byte{0xff, 0xd8}

// start looks for the beginning of a picture; if it is not found (yet), the search continues at the returned position.
func (s *Scanner) start(from int) (at int, found bool) {
	for {
		i := bytes.Index(s.have[from:], startOfImage)
		if i < 0 {
			return max(from, len(s.have)-1), false // may be the marker's first byte
		}
		from += i
		switch s.begins(from + len(startOfImage)) {
		case yes:
			return from, true
		case unknown:
			return from, false
		}
		from += len(startOfImage)
	}
}

// lead is how many stray bytes are tolerated between a picture's SOI and its first segment.
const lead = 1024

// begins reports whether a picture's headers follow: a marker immediately, or a marker with a segment after stray bytes.
func (s *Scanner) begins(at int) answer {
	headers := s.have[at:min(at+lead, len(s.have))]
	i := bytes.IndexByte(headers, 0xff)
	if i == 0 {
		return yes
	}
	for j := i + 1; i > 0 && j < len(headers); j++ {
		switch marker := headers[j]; {
		case marker == 0xff:
		case marker >= 0xc0 && (marker < 0xd0 || marker > 0xd9):
			return yes
		default:
			return no
		}
	}
	if len(headers) == lead || s.err != nil {
		return no
	}
	return unknown
}

func (s *Scanner) drop(n int) {
	if !s.found {
		s.passed += int64(n)
	}
	s.have = s.have[n:]
}

// read parses a multipart part's headers from the bytes before its picture. It does not allocate.
func (p *part) read(b []byte) {
	*p = part{}
	end := bytes.LastIndexByte(b, '\n')
	if end < 0 || end != len(b)-1 {
		return
	}
	for lines := 0; ; lines++ { // from the last line up to the boundary
		start := bytes.LastIndexByte(b[:end], '\n') + 1
		line := bytes.TrimSpace(b[start:end])
		switch {
		case bytes.HasPrefix(line, []byte("--")):
			p.text = true
			return
		case len(line) == 0 && lines > 0:
			return
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok {
			p.text = true
			value = bytes.TrimSpace(value)
			switch {
			case bytes.EqualFold(name, []byte("X-Timestamp")):
				p.stamp = stamp(value)
			case bytes.EqualFold(name, []byte("Content-Length")):
				if n, rest := digits(value); len(rest) == 0 && n <= MaxPicture {
					p.length = int(n)
				}
			}
		}
		if start == 0 {
			return
		}
		end = start - 1
	}
}

// stamp parses seconds.micros since 1970; zero if it is anything else.
func stamp(b []byte) time.Time {
	seconds, rest := digits(b)
	if len(rest) == len(b) || seconds > math.MaxInt32*100 {
		return time.Time{}
	}
	var nanos uint64
	if len(rest) > 0 && rest[0] == '.' {
		fraction := rest[1:min(len(rest), 10)]
		n, tail := digits(fraction)
		if len(tail) > 0 {
			return time.Time{}
		}
		for range 9 - len(fraction) {
			n *= 10
		}
		nanos = n
	} else if len(rest) > 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), int64(nanos))
}

// digits parses a number at the front of b.
func digits(b []byte) (n uint64, rest []byte) {
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' && n < 1<<56 {
		n = n*10 + uint64(b[0]-'0')
		b = b[1:]
	}
	return n, b
}

// more appends one read.
func (s *Scanner) more() error {
	if s.err != nil {
		return s.err
	}
	if len(s.have) == cap(s.have) || cap(s.have) == 0 || len(s.have) == 0 {
		if len(s.have) > len(s.buffer)/2 {
			bigger := make([]byte, 2*len(s.buffer))
			s.have = bigger[:copy(bigger, s.have)]
			s.buffer = bigger
		} else {
			s.have = s.buffer[:copy(s.buffer, s.have)]
		}
	}
	n, err := s.r.Read(s.have[len(s.have):cap(s.have)])
	s.have = s.have[:len(s.have)+n]
	if n > 0 {
		s.arrived = time.Now()
	}
	if err != nil {
		s.err = err
		if n > 0 {
			return nil
		}
	}
	return err
}
