// Package y4m is a source of raw frames from a Y4M (YUV4MPEG2) file or stream.
package y4m

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/pool"
	"github.com/maixstream/maixstream/hw/source/internal/film"
)

// DefaultFPS is the rate of files that do not specify one.
const DefaultFPS = 25

// Config configures a Source.
type Config struct {
	FPS  float64     // maximum frames per second, up to 100000, or +Inf for as many as are read; 0: the file's rate
	Once bool        // end after the last frame (frame.ErrEnd) instead of looping
	Warn func(error) // called with a truncated file's error; nil disables it
}

// Source plays a file's frames at its own rate in a loop; at a lower requested rate, frames are skipped. They are
// YUV420 for 4:2:0, 4:4:4 and 4:1:1, YUV422 for 4:2:2, Grey for mono; limited range, which is usual in video, is
// converted to full range. Frames may be written to until they are released.
type Source struct {
	decoder
	path      string
	file      *film.File
	begin     int64 // offset of the first frame's line
	clock     *film.Clock
	sequence  uint64
	delivered bool // a frame since the file's beginning
	ending    film.Ending
}

var (
	_ frame.RawSource  = (*Source)(nil)
	_ frame.RateSetter = (*Source)(nil)
)

var errClosed = fmt.Errorf("y4m: %w: closed", frame.ErrEnd)

// Open opens a Y4M file. It fails if the file cannot be read, has more than 8 bits per sample, or has no complete frame.
func Open(path string, c Config) (*Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("y4m: %w", err)
	}
	s, err := open(path, file, c)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("y4m: %s: %w", path, err)
	}
	return s, nil
}

func open(path string, file *os.File, c Config) (*Source, error) {
	s := &Source{path: path, file: &film.File{File: file}}
	n, err := s.decoder.init(file)
	if err != nil {
		return nil, err
	}
	s.begin = int64(n)
	s.ending = film.Ending{Name: "y4m: " + path, Picture: "frame", Once: c.Once, Warn: c.Warn}
	if s.clock, err = film.New(s.header.fps, c.FPS, DefaultFPS); err != nil {
		return nil, err
	}
	var f frame.Frame
	if err := s.next(&f); err != nil {
		return nil, fmt.Errorf("no complete frame in the file: %w", err)
	}
	f.Release()
	return s, s.rewind()
}

// decoder reads frames from a byte stream.
type decoder struct {
	r       *bufio.Reader
	header  header
	buffers *pool.Pool
	rows    []byte // two rows of chroma that must be scaled
}

// init reads the stream's header and returns its length in bytes.
func (d *decoder) init(r io.Reader) (n int, err error) {
	d.r = bufio.NewReaderSize(r, 256<<10)
	if d.header, n, err = readHeader(d.r); err != nil {
		return 0, err
	}
	h := d.header
	if d.buffers, err = pool.New(h.chroma.format(), h.width, h.height); err != nil {
		return 0, err
	}
	width, _ := h.plane()
	d.rows = make([]byte, 2*width)
	return n, nil
}

func (d *decoder) skip() error {
	if err := readFrameLine(d.r); err != nil {
		return err
	}
	width, height := d.header.plane()
	size := d.header.width*d.header.height + 2*width*height
	if d.header.chroma.alpha {
		size += d.header.width * d.header.height
	}
	if _, err := d.r.Discard(size); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

func (d *decoder) next(f *frame.Frame) error {
	if err := readFrameLine(d.r); err != nil {
		return err
	}
	if err := d.buffers.Get(f); err != nil {
		return err
	}
	if err := d.read(f); err != nil {
		f.Release()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
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
	if !s.file.Hold() {
		return errClosed
	}
	defer s.file.Release()
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
	return s.file.Close()
}
