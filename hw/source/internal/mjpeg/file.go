// Package mjpeg is a source of JPEG pictures that are passed through, checked but not decoded: from a file (concatenated JPEGs, or AVI), or from a
// stream such as standard input (also multipart).
package mjpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/film"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// DefaultFPS is the rate of files that do not specify one.
const DefaultFPS = 25

// Config configures a File or Stream.
type Config struct {
	// FPS is the maximum number of pictures per second, up to 100000, or +Inf for as many as are read. 0: a file's own rate (DefaultFPS if it specifies
	// none); a stream's pictures as they arrive. A file without a rate of its own plays at FPS.
	FPS float64
	// Single shows only the first picture of a file; those after it are previews.
	Single bool
	// Once ends a file after its last picture (frame.ErrEnd) instead of looping it.
	Once bool
	// Warn is called with problems that do not end the source: a truncated file. nil disables it.
	Warn func(error)
}

// File plays a file's pictures at its own rate in a loop. At a lower rate, pictures are skipped.
type File struct {
	path      string
	file      *film.File
	buffered  *bufio.Reader
	reader    *reader
	kind      string
	config    Config
	clock     *film.Clock
	sequence  uint64
	delivered bool // a picture since the file's beginning
	ending    film.Ending
	size      atomic.Uint64 // width<<32 | height of the last picture
}

var (
	_ frame.JPEGSource = (*File)(nil)
	_ frame.RateSetter = (*File)(nil)
)

// OpenFile opens an MJPEG file. It fails if the file cannot be read or has no complete picture.
func OpenFile(path string, c Config) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mjpeg: %w", err)
	}
	f := &File{path: path, file: &film.File{File: file}, config: c, buffered: bufio.NewReaderSize(file, 64<<10)}
	if err := f.begin(); err != nil {
		file.Close()
		return nil, fmt.Errorf("mjpeg: %s: %w", path, err)
	}
	f.ending = film.Ending{Name: "mjpeg: " + f.path, Picture: "JPEG picture", Once: c.Once, Warn: c.Warn}
	if f.clock, err = film.New(f.reader.fps(), c.FPS, DefaultFPS); err != nil {
		file.Close()
		return nil, fmt.Errorf("mjpeg: %w", err)
	}
	return f, nil
}

// begin detects the format and looks for the first complete picture.
func (f *File) begin() (err error) {
	if f.reader, err = newReader(f.buffered); errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	} else if err != nil {
		return err
	}
	f.kind = f.reader.kind()
	var why error
	for {
		picture, err := f.reader.next()
		switch {
		case err == nil:
			f.noteSize(&picture.Info)
			return f.rewind()
		case errors.Is(err, frame.ErrBadPicture):
			if why == nil {
				why = err
			}
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			switch {
			case why != nil:
				return fmt.Errorf("%w that can be shown: %v", frame.ErrNoPicture, why) //nolint:errorlint // callers must not match it
			case errors.Is(err, io.ErrUnexpectedEOF):
				return fmt.Errorf("%w: its first one is cut off", frame.ErrNoPicture)
			}
			return fmt.Errorf("%w: it has no JPEG", frame.ErrNoPicture)
		default:
			return err
		}
	}
}

func (f *File) rewind() error {
	f.delivered = false
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.reader.reset(f.buffered, f.file)
}

func (f *File) noteSize(i *jpegcheck.Info) { f.size.Store(uint64(i.Width)<<32 | uint64(i.Height)) }

// Info implements frame.Source.
func (f *File) Info() frame.Info {
	size := f.size.Load()
	return frame.Info{
		Name: f.path, Kind: f.kind, Encoder: "pass-through", Width: int(size >> 32), Height: int(uint32(size)), FPS: f.clock.FPS(),
	}
}

// ReadJPEG implements frame.JPEGSource. A broken picture is dropped and reported as frame.ErrBadPicture.
func (f *File) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	skip, err := f.clock.Next(ctx, errClosed)
	if err != nil {
		return err
	}
	if !f.file.Hold() {
		return errClosed
	}
	defer f.file.Release()
	for {
		if f.config.Single && f.delivered {
			skip = 0
			if err := f.ending.Reached(io.EOF, f.delivered, f.rewind); err != nil {
				return err
			}
		}
		for ; skip > 0 && err == nil; skip-- {
			if err = f.reader.skip(); err == nil {
				f.delivered = true
			}
		}
		var picture jfif.Picture
		if err == nil {
			picture, err = f.reader.next()
		}
		switch {
		case err == nil:
			f.delivered = true
			f.sequence++
			f.noteSize(&picture.Info)
			if err := deliver(dst, picture.Data, &picture.Info, p); err != nil {
				return fmt.Errorf("mjpeg: %s: %w", f.path, err)
			}
			p.Captured, p.Sequence = time.Now(), f.sequence
			return nil
		case errors.Is(err, frame.ErrBadPicture):
			f.sequence++
			return fmt.Errorf("mjpeg: %s: %w", f.path, err)
		}
		if err = f.ending.Reached(err, f.delivered, f.rewind); err != nil {
			return err
		}
	}
}

// SetFPS implements frame.RateSetter.
func (f *File) SetFPS(fps float64) error {
	if err := f.clock.SetFPS(fps); err != nil {
		return fmt.Errorf("mjpeg: %w", err)
	}
	return nil
}

// Close implements frame.Source.
func (f *File) Close() error {
	f.clock.Close()
	return f.file.Close()
}

var errClosed = fmt.Errorf("mjpeg: %w: closed", frame.ErrEnd)
