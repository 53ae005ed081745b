package jfif

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/maixstream/maixstream/hw/frame"
)

// MaxPicture is the most bytes that one picture of a stream may have: no camera's is larger, and a stream that has lost its way must not
// eat the memory.
const MaxPicture = 32 << 20

// Scanner finds the pictures in a stream: JPEG after JPEG, with whatever between them (padding, or the headers of a multipart stream).
type Scanner struct {
	r      io.Reader
	buffer []byte
	have   []byte // of buffer: read, but not given out
	walker walker
	err    error // the reader's
}

// NewScanner makes a Scanner that reads from r, whose reads should be large.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: r, buffer: make([]byte, 256<<10)}
}

// Reset starts over with another stream, keeping the memory.
func (s *Scanner) Reset(r io.Reader) {
	s.r, s.have, s.err = r, nil, nil
}

// Next returns the next whole picture, valid until the next call. A broken one is skipped and reported (frame.ErrBadPicture, wrapped): the next call goes
// on behind it. At the end it returns io.EOF, or io.ErrUnexpectedEOF inside of a picture; other errors are the reader's.
func (s *Scanner) Next() ([]byte, Header, error) {
	if err := s.findStart(); err != nil {
		return nil, Header{}, err
	}
	s.walker = walker{}
	for {
		done, err := s.walker.walk(s.have)
		switch {
		case done:
			picture := s.have[:s.walker.pos:s.walker.pos]
			s.have = s.have[s.walker.pos:]
			header, err := Check(picture)
			return picture, header, err
		case err != nil:
			s.have = s.have[s.walker.resume():]
			return nil, Header{}, fmt.Errorf("jpeg: %w: %w", frame.ErrBadPicture, err)
		case len(s.have) >= MaxPicture:
			size := len(s.have)
			s.have = s.have[size:]
			return nil, Header{}, fmt.Errorf("jpeg: %w: no end within %d bytes", frame.ErrBadPicture, size)
		}
		if err := s.more(); err != nil {
			if errors.Is(err, io.EOF) {
				s.have = nil
				return nil, Header{}, io.ErrUnexpectedEOF
			}
			return nil, Header{}, err
		}
	}
}

// findStart drops bytes up to an SOI marker that another marker follows.
func (s *Scanner) findStart() error {
	for {
		i := bytes.Index(s.have, []byte{0xff, soi, 0xff})
		if i >= 0 {
			s.have = s.have[i:]
			return nil
		}
		s.have = s.have[max(0, len(s.have)-2):] // may be its beginning
		if err := s.more(); err != nil {
			return err
		}
	}
}

// more appends what the next read brings.
func (s *Scanner) more() error {
	if s.err != nil {
		return s.err
	}
	if len(s.have) == cap(s.have) || cap(s.have) == 0 {
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
	if err != nil {
		s.err = err
		if n > 0 {
			return nil
		}
	}
	return err
}
