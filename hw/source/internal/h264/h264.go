// Package h264 is a source of H.264 access units that are passed through, from a raw file (ITU-T H.264 annex B) or a stream of the same format.
package h264

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/annexb"
	"github.com/maixstream/maixstream/hw/source/internal/film"
	"github.com/maixstream/maixstream/hw/source/internal/live"
	"github.com/maixstream/maixstream/internal/pace"
)

// DefaultFPS is the rate of files that do not specify one.
const DefaultFPS = 25

// Config configures a File or Stream.
type Config struct {
	// FPS is the rate of a file or stream that does not specify one; 0: DefaultFPS for a file. It drops no units: each depends on others.
	FPS float64
	// Once ends a file after its last unit (frame.ErrEnd) instead of looping it.
	Once bool
	// Warn is called with problems that do not end the source; nil disables it.
	Warn func(error)
}

// description is what is known about a stream.
type description struct {
	now   atomic.Pointer[annexb.Info]
	depth atomic.Int64 // reordering depth: how many frames after their arrival frames are shown

	steady time.Time // used by the reading goroutine: see even
}

// show sets u's display time.
func (d *description) show(r *annexb.Reader, u *frame.AccessUnit, fps float64) {
	later, depth := r.Later()
	if depth > 0 {
		period := pace.Period(fps)
		u.Captured, u.Shown = d.even(u, period), time.Duration(later)*period
	}
	if depth == 0 {
		u.Shown = 0
	}
	if int64(depth) != d.depth.Load() {
		d.depth.Store(int64(depth))
	}
}

// even returns u's Captured without the jitter of its arrival: display times are offset from it by whole periods, and jitter could reverse their order. It
// follows the arrivals by at most an eighth of a period per unit, and restarts at a key frame that is far from them.
func (d *description) even(u *frame.AccessUnit, period time.Duration) time.Time {
	const far = time.Second
	next := d.steady.Add(period)
	off := u.Captured.Sub(next)
	switch {
	case d.steady.IsZero(), u.Key && (off > far || off < -far):
		d.steady = u.Captured
	default:
		d.steady = next.Add(min(max(off, -period/8), period/8))
	}
	return d.steady
}

// order returns a note if frames are not in display order, else "".
func (d *description) order() string {
	depth := d.depth.Load()
	if depth == 0 {
		return ""
	}
	return fmt.Sprintf("it has B-frames: display lags by %d frames; browsers cannot play them over WebRTC", depth)
}

// notes joins the notes that are not empty.
func notes(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(n string) bool { return n == "" }), "; ")
}

func (d *description) load() annexb.Info {
	if now := d.now.Load(); now != nil {
		return *now
	}
	return annexb.Info{}
}

// note stores a key frame's information.
func (d *description) note(i annexb.Info) {
	if i != d.load() {
		d.now.Store(&i)
	}
}

// noUnits returns the error for input without a first unit.
func noUnits(r *annexb.Reader, why error) error {
	garbage, passed := r.Passed()
	if why == nil {
		why = r.Unreadable()
	}
	switch {
	case why != nil:
		return fmt.Errorf("%w: %v", frame.ErrNoPicture, why) //nolint:errorlint // must not be a frame.ErrBadPicture, after which reading continues
	case passed > 0:
		return fmt.Errorf("%w: it has %d frames of H.264, but no key frame (IDR)", frame.ErrNoPicture, passed)
	case garbage > 0:
		return fmt.Errorf("%w: it has %d bytes, but no H.264", frame.ErrNoPicture, garbage)
	}
	return fmt.Errorf("%w: it has no frame of H.264", frame.ErrNoPicture)
}

func broken(err error) bool {
	return errors.Is(err, frame.ErrBadPicture) || errors.Is(err, frame.ErrTooLarge)
}

var errClosed = fmt.Errorf("h264: %w: closed", frame.ErrEnd)

// File plays a file at its own rate in a loop.
type File struct {
	description
	path      string
	file      *film.File
	reader    *annexb.Reader
	clock     *film.Clock
	ending    film.Ending
	guessed   bool // the rate
	delivered bool // a unit since the file's beginning
}

var _ frame.VideoSource = (*File)(nil)

// OpenFile opens a file. It fails if the file cannot be read, or has no key frame with parameter sets.
func OpenFile(path string, c Config) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("h264: %w", err)
	}
	f := &File{path: path, file: &film.File{File: file}, reader: annexb.NewReader(file)}
	f.ending = film.Ending{Name: "h264: " + path, Picture: "access unit", Once: c.Once, Warn: c.Warn}
	if err := f.begin(c); err != nil {
		file.Close()
		return nil, fmt.Errorf("h264: %s: %w", path, err)
	}
	return f, nil
}

// begin looks for the first key frame, and for the rate.
func (f *File) begin(c Config) error {
	var u frame.AccessUnit
	var why error
	for {
		err := f.reader.Next(&u)
		if err == nil {
			break
		}
		switch {
		case broken(err):
			if why == nil {
				why = err
			}
		case errors.Is(err, io.EOF):
			return noUnits(f.reader, why)
		default:
			return err
		}
	}
	garbage, passed := f.reader.Passed()
	if c.Warn != nil && (garbage > 0 || passed > 0) {
		c.Warn(fmt.Errorf("h264: %s: skipping %d bytes and %d frames before the first key frame", f.path, garbage, passed))
	}
	info := f.reader.Info()
	f.note(info)
	own, asked := info.FPS, c.FPS
	if own > 0 { // the file's rate applies, as no frame can be dropped
		asked = 0
	}
	f.guessed = own == 0 && asked == 0
	var err error
	if f.clock, err = film.New(own, asked, DefaultFPS); err != nil {
		return err
	}
	return f.rewind()
}

func (f *File) rewind() error {
	f.delivered = false
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f.reader.Reset(f.file)
	return nil
}

// Info implements frame.Source.
func (f *File) Info() frame.Info {
	now := f.load()
	info := frame.Info{Name: f.path, Kind: "h264", Width: now.Width, Height: now.Height, FPS: f.clock.FPS()}
	guessed := ""
	if f.guessed {
		guessed = fmt.Sprintf("the file does not specify its frame rate; playing at %d fps", DefaultFPS)
	}
	info.Note = notes(guessed, f.order())
	return info
}

// ReadUnit implements frame.VideoSource.
func (f *File) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	if _, err := f.clock.Next(ctx, errClosed); err != nil {
		return err
	}
	if !f.file.Hold() {
		return errClosed
	}
	defer f.file.Release()
	for {
		err := f.reader.Next(u)
		switch {
		case err == nil:
			f.delivered = true
			u.Captured = time.Now()
			f.show(f.reader, u, f.clock.FPS())
			if u.Key {
				f.note(f.reader.Info())
			}
			return nil
		case broken(err):
			return fmt.Errorf("h264: %s: %w", f.path, err)
		}
		if err := f.ending.Reached(err, f.delivered, f.rewind); err != nil {
			return err
		}
	}
}

// Close implements frame.Source.
func (f *File) Close() error {
	f.clock.Close()
	return f.file.Close()
}

// Stream delivers the units of a byte stream as they arrive. A unit is complete when the next one begins.
type Stream struct {
	description
	live.Meter
	name, kind string
	in         io.ReadCloser
	fps        float64 // of a stream that does not specify one
	start      sync.Once
	stopped    chan struct{} // closed when the goroutine has ended
	closed     chan struct{}
	closing    sync.Once
	closeErr   error

	// The goroutine fills unit and err, and waits for the next read.
	ready, taken chan struct{}
	unit         frame.AccessUnit
	err          error

	// Used by the reader only.
	out bool  // it holds the unit
	end error // set when the stream has ended
}

var (
	_ frame.VideoSource = (*Stream)(nil)
	_ frame.LiveSource  = (*Stream)(nil)
)

// NewStream returns a source for a stream; name is for display, kind is Info's. Reading begins with the first ReadUnit. The source takes ownership of in,
// whose Close must interrupt a blocked read. Of c, only FPS is used.
func NewStream(in io.ReadCloser, name, kind string, c Config) (*Stream, error) {
	if c.FPS != 0 {
		if err := pace.CheckFPS(c.FPS); err != nil {
			return nil, fmt.Errorf("h264: %w", err)
		}
	}
	return &Stream{
		name: name, kind: kind, in: in, fps: c.FPS, stopped: make(chan struct{}), closed: make(chan struct{}), ready: make(chan struct{}), taken: make(chan struct{}),
	}, nil
}

// Info implements frame.Source. The size is 0x0 until the first key frame.
func (s *Stream) Info() frame.Info {
	now := s.load()
	info := frame.Info{Name: s.name, Kind: s.kind, Width: now.Width, Height: now.Height, FPS: now.FPS}
	if info.FPS == 0 {
		info.FPS = s.fps
	}
	info.Note = notes(s.order())
	return info
}

// ReadUnit implements frame.VideoSource.
func (s *Stream) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	select {
	case <-s.closed:
		return errClosed
	default:
	}
	if s.end != nil {
		return s.end
	}
	s.start.Do(func() { go s.run() })
	if s.out {
		s.out = false
		select {
		case s.taken <- struct{}{}:
		case <-s.closed:
			return errClosed
		}
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
	s.out = true
	switch {
	case s.err == nil:
		u.NALs = append(u.NALs[:0], s.unit.NALs...)
		u.Key, u.Captured, u.Sequence, u.Shown = s.unit.Key, s.unit.Captured, s.unit.Sequence, s.unit.Shown
	case !broken(s.err):
		s.end = s.err
	}
	return s.err
}

// run reads until the stream ends.
func (s *Stream) run() {
	defer close(s.stopped)
	r := annexb.NewReader(s.in)
	delivered := false
	for {
		err := r.Next(&s.unit)
		if err == nil {
			delivered = true
			s.Arrived(time.Now())
			if s.unit.Key {
				s.note(r.Info())
			}
			fps := s.load().FPS
			if fps == 0 {
				fps = s.fps
			}
			if fps == 0 {
				fps = DefaultFPS
			}
			s.show(r, &s.unit, fps)
		}
		s.err = s.wrap(r, err, delivered)
		select {
		case s.ready <- struct{}{}:
		case <-s.closed:
			return
		}
		if err != nil && !broken(err) {
			return
		}
		select {
		case <-s.taken:
		case <-s.closed:
			return
		}
	}
}

// wrap turns a reader's error into the source's.
func (s *Stream) wrap(r *annexb.Reader, err error, delivered bool) error {
	switch {
	case err == nil:
		return nil
	case broken(err):
		return fmt.Errorf("h264: %s: %w", s.name, err)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("h264: %s: %w: %w", s.name, frame.ErrGone, err)
	case delivered:
		return fmt.Errorf("h264: %s: %w", s.name, frame.ErrEnd)
	}
	return fmt.Errorf("h264: %s: %w", s.name, noUnits(r, nil))
}

// Close implements frame.Source.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		close(s.closed)
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never started
	})
	<-s.stopped
	return s.closeErr
}
