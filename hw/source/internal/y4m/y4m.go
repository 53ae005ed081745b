// Package y4m is a source of raw frames out of a Y4M (YUV4MPEG2) file.
package y4m

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/pool"
	"github.com/maixstream/maixstream/hw/source/internal/film"
)

// DefaultFPS is the rate of files that do not say theirs.
const DefaultFPS = 25

// Config says how frames are delivered.
type Config struct {
	FPS  float64     // frames a second at most, up to 100000, or +Inf for as many as are read; 0: the file's rate
	Once bool        // end behind the last frame (frame.ErrEnd) instead of beginning again
	Warn func(error) // is told of a file that is cut off; nil disables it
}

// Source plays the frames of a file at its own rate, again and again; at a lower rate that is asked for, frames are passed over. They are
// YUV420 of 4:2:0, 4:4:4 and 4:1:1, YUV422 of
// 4:2:2, Grey of mono; limited range, which is the rule in video, becomes full range. Frames may be written until they are released.
type Source struct {
	path      string
	file      *os.File
	r         *bufio.Reader
	begin     int64 // where the first frame's line is
	header    header
	config    Config
	clock     *film.Clock
	buffers   *pool.Pool
	rows      []byte // of chroma that must be converted: one row of the output has so many in the file
	sequence  uint64
	delivered bool // a frame since the file's beginning
	ending    film.Ending

	closing sync.Mutex
	closed  bool
}

var (
	_ frame.RawSource  = (*Source)(nil)
	_ frame.RateSetter = (*Source)(nil)
)

var errClosed = fmt.Errorf("y4m: %w: closed", frame.ErrEnd)

// Open opens a Y4M file. It reports one that cannot be read, has samples of more than 8 bits, or has no whole frame.
func Open(path string, c Config) (*Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("y4m: %w", err)
	}
	s, err := open(file, c)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("y4m: %s: %w", path, err)
	}
	s.path = path
	return s, nil
}

func open(file *os.File, c Config) (*Source, error) {
	s := &Source{file: file, r: bufio.NewReaderSize(file, 256<<10), config: c}
	h, n, err := readHeader(s.r)
	if err != nil {
		return nil, err
	}
	s.header, s.begin = h, int64(n)
	if s.buffers, err = pool.New(h.chroma.format(), h.width, h.height); err != nil {
		return nil, err
	}
	s.ending = film.Ending{Name: "y4m: " + s.path, Picture: "frame", Once: c.Once, Warn: c.Warn}
	if s.clock, err = film.New(h.fps, c.FPS, DefaultFPS); err != nil {
		return nil, err
	}
	width, _ := h.plane()
	s.rows = make([]byte, 2*width)
	var f frame.Frame
	if err := s.next(&f); err != nil {
		return nil, fmt.Errorf("no whole frame in the file: %w", err)
	}
	f.Release()
	return s, s.rewind()
}

// Info implements frame.Source.
func (s *Source) Info() frame.Info {
	return frame.Info{Name: s.path, Kind: "y4m", Width: s.header.width, Height: s.header.height, FPS: s.clock.FPS()}
}

// ReadFrame implements frame.RawSource.
func (s *Source) ReadFrame(ctx context.Context, f *frame.Frame) error {
	skip, err := s.clock.Next(ctx, errClosed)
	if err != nil {
		return err
	}
	s.closing.Lock() // the file stays open while it is read
	defer s.closing.Unlock()
	if s.closed {
		return errClosed
	}
	for {
		for ; skip > 0 && err == nil; skip-- {
			if err = s.skip(); err == nil {
				s.delivered = true
			}
		}
		if err == nil {
			err = s.next(f)
		}
		if err == nil {
			s.delivered = true
			s.sequence++
			f.Captured, f.Sequence = time.Now(), s.sequence
			return nil
		}
		if err = s.ending.Reached(err, s.delivered, s.rewind); err != nil {
			return err
		}
	}
}

// skip passes over a frame.
func (s *Source) skip() error {
	if err := readFrameLine(s.r); err != nil {
		return err
	}
	width, height := s.header.plane()
	size := s.header.width*s.header.height + 2*width*height
	if s.header.chroma.alpha {
		size += s.header.width * s.header.height
	}
	if _, err := s.r.Discard(size); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// next reads one frame.
func (s *Source) next(f *frame.Frame) error {
	if err := readFrameLine(s.r); err != nil {
		return err
	}
	if err := s.buffers.Get(f); err != nil {
		return err
	}
	if err := s.read(f); err != nil {
		f.Release()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

func (s *Source) rewind() error {
	s.delivered = false
	if _, err := s.file.Seek(s.begin, io.SeekStart); err != nil {
		return err
	}
	s.r.Reset(s.file)
	return nil
}

// SetFPS implements frame.RateSetter.
func (s *Source) SetFPS(fps float64) error {
	if err := s.clock.SetFPS(fps); err != nil {
		return fmt.Errorf("y4m: %w", err)
	}
	return nil
}

// Close implements frame.Source.
func (s *Source) Close() error {
	s.clock.Close()
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.file.Close()
}
