package mjpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/drops"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/hw/source/internal/live"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// Stream delivers the newest picture of a byte stream. It reads as fast as the sender writes, so that pictures do not age in
// a pipe or socket; a lower rate drops pictures after that. Broken ones are skipped and counted.
type Stream struct {
	drops.Counter
	name   string
	kind   string
	live   *live.Stream
	size   atomic.Uint64 // width<<32 | height of the newest picture
	newest held
	read   func() error // s.pump and s.take as values, so that a picture allocates nothing
	take   func() error
	dst    []byte // of the running ReadJPEG
	target *frame.Picture
}

// held is a picture as received.
type held struct {
	data     []byte
	memory   []byte // data's whole buffer
	info     jpegcheck.Info
	captured time.Time
	sequence uint64
}

var (
	_ frame.JPEGSource = (*Stream)(nil)
	_ frame.RateSetter = (*Stream)(nil)
	_ frame.Dropper    = (*Stream)(nil)
	_ frame.LiveSource = (*Stream)(nil)
)

// NewStream returns a source for a stream of MJPEG, plain, AVI or multipart; name is for display, kind is Info's. Reading begins with the first
// ReadJPEG. The source takes ownership of in, whose Close must interrupt a blocked read. Of c, only FPS is used.
func NewStream(in io.ReadCloser, name, kind string, c Config) (*Stream, error) {
	shared, err := live.New(in, "mjpeg", c.FPS, errClosed)
	if err != nil {
		return nil, err
	}
	s := &Stream{name: name, kind: kind, live: shared}
	s.read, s.take = s.pump, s.deliver
	return s, nil
}

// Info implements frame.Source. The size is 0x0 until the first picture.
func (s *Stream) Info() frame.Info {
	size := s.size.Load()
	info := frame.Info{Name: s.name, Kind: s.kind, Encoder: "pass-through", Width: int(size >> 32), Height: int(uint32(size))}
	info.FPS = s.live.FPS()
	return info
}

// ReadJPEG implements frame.JPEGSource.
func (s *Stream) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	s.dst, s.target = dst, p
	return s.live.Take(ctx, s.read, s.take)
}

// deliver fills the running ReadJPEG's picture.
func (s *Stream) deliver() error {
	h, p := &s.newest, s.target
	err := deliver(s.dst, h.data, &h.info, p)
	p.Captured, p.Sequence = h.captured, h.sequence
	return err
}

// endOf returns the stream's final error.
func (s *Stream) endOf(err error) error {
	broken, why := s.Dropped()
	count := s.live.Count()
	switch {
	case errors.Is(err, frame.ErrNoPicture), errors.Is(err, frame.ErrUnsupported), errors.Is(err, frame.ErrReopen):
		return fmt.Errorf("mjpeg: %s: %w", s.name, err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("mjpeg: %s: %w: %w", s.name, frame.ErrGone, err)
	case count > 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("mjpeg: %s: %w", s.name, frame.ErrEnd)
	case count > 0:
		return fmt.Errorf("mjpeg: %s: %w: truncated in the middle of a picture", s.name, frame.ErrEnd)
	case broken > 0:
		//nolint:errorlint // must not be a frame.ErrBadPicture, after which reading continues
		return fmt.Errorf("mjpeg: %s: %w that can be shown (%d dropped): %v", s.name, frame.ErrNoPicture, broken, why)
	}
	return fmt.Errorf("mjpeg: %s: %w: %w", s.name, frame.ErrNoPicture, err)
}

// pump reads pictures until the stream ends.
func (s *Stream) pump() error { return s.endOf(s.readAll()) }

func (s *Stream) readAll() error {
	r, err := newReader(bufio.NewReaderSize(s.live.In(), 64<<10))
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", frame.ErrNoPicture)
	} else if errors.Is(err, frame.ErrReopen) {
		return err
	} else if err != nil {
		return &refused{err}
	}
	var picture jfif.Picture
	store := func(sequence uint64) {
		if r.scanner != nil {
			s.newest.data, s.newest.memory = picture.Data, r.scanner.Swap(s.newest.memory)
		} else {
			s.newest.data = append(s.newest.data[:0], picture.Data...)
		}
		s.newest.info, s.newest.captured, s.newest.sequence = picture.Info, captureTime(&picture, time.Now()), sequence
		s.size.Store(uint64(picture.Info.Width)<<32 | uint64(picture.Info.Height))
	}
	for {
		if picture, err = r.next(); err == nil {
			s.live.Put(store)
			continue
		}
		if !errors.Is(err, frame.ErrBadPicture) {
			return s.explain(r, err)
		}
		s.Drop(err)
	}
}

// refused is a permanent error about the stream's beginning: a frame.ErrUnsupported without that error's text.
type refused struct{ error }

// Is reports whether target is frame.ErrUnsupported.
func (r *refused) Is(target error) bool { return target == frame.ErrUnsupported }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.error }

// explain adds to the error of a stream without pictures what was received.
func (s *Stream) explain(r *reader, err error) error {
	if r.scanner == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if n, _ := s.Dropped(); s.live.Count() > 0 || n > 0 {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: its first one is cut off", frame.ErrNoPicture)
	}
	return fmt.Errorf("%w: it has %d bytes, but no JPEG", frame.ErrNoPicture, r.scanner.Passed())
}

// captureTime is the sender's X-Timestamp if its clock agrees with ours, else the time of the last byte. It has a monotonic reading.
func captureTime(p *jfif.Picture, now time.Time) time.Time {
	const early, late = time.Second, 10 * time.Second // NTP keeps clocks within the first; no sender delays pictures by the second
	if p.Stamp.IsZero() {
		return p.Arrived
	}
	age := now.Round(0).Sub(p.Stamp)
	if age < -early || age > late {
		return p.Arrived
	}
	if at := now.Add(-age); at.Before(p.Arrived) {
		return at
	}
	return p.Arrived
}

// SetFPS implements frame.RateSetter.
func (s *Stream) SetFPS(fps float64) error { return s.live.SetFPS(fps) }

// Interval implements frame.LiveSource.
func (s *Stream) Interval() time.Duration { return s.live.Interval() }

// Close implements frame.Source.
func (s *Stream) Close() error { return s.live.Close(nil) }
