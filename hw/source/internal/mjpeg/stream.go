package mjpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/drops"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/pace"
)

// Stream delivers the newest picture of a byte stream. It reads as fast as the sender writes, so that pictures do not age in
// a pipe or socket; a lower rate drops pictures after that. Broken ones are skipped and counted.
type Stream struct {
	drops.Counter
	name    string
	kind    string
	in      io.ReadCloser
	pacer   *pace.Pacer // limits the delivered rate
	start   sync.Once
	stopped chan struct{} // closed when the goroutine has ended
	arrived chan struct{} // capacity 1: there is news
	size    atomic.Uint64 // width<<32 | height of the newest picture
	fps     atomic.Uint64 // as requested, float bits

	mu       sync.Mutex
	newest   held // Size 0: already delivered
	sequence uint64
	end      error // set when the stream has ended

	closing  sync.Once
	closeErr error
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
)

// slack is how much faster than requested a stream's deadlines are, so that a stream of exactly that rate never waits for them even if its clock
// is a little fast.
const slack = 1.005

func withSlack(fps float64) float64 {
	if fps*slack > pace.MaxFPS {
		return fps // also +Inf
	}
	return fps * slack
}

// NewStream returns a source for a stream of MJPEG, plain, AVI or multipart; name is for display, kind is Info's. Reading begins with the first
// ReadJPEG. The source takes ownership of in, whose Close must interrupt a blocked read. Of c, only FPS is used.
func NewStream(in io.ReadCloser, name, kind string, c Config) (*Stream, error) {
	if c.FPS == 0 {
		c.FPS = math.Inf(1)
	}
	if err := pace.CheckFPS(c.FPS); err != nil {
		return nil, fmt.Errorf("mjpeg: %w", err)
	}
	s := &Stream{
		name: name, kind: kind, in: in, pacer: pace.New(withSlack(c.FPS)),
		stopped: make(chan struct{}), arrived: make(chan struct{}, 1),
	}
	s.fps.Store(math.Float64bits(c.FPS))
	return s, nil
}

// Info implements frame.Source. The size is 0x0 until the first picture.
func (s *Stream) Info() frame.Info {
	size := s.size.Load()
	info := frame.Info{Name: s.name, Kind: s.kind, Encoder: "pass-through", Width: int(size >> 32), Height: int(uint32(size))}
	if fps := math.Float64frombits(s.fps.Load()); !math.IsInf(fps, 1) {
		info.FPS = fps
	}
	return info
}

// ReadJPEG implements frame.JPEGSource.
func (s *Stream) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	s.start.Do(func() { go s.run() })
	for !s.ready() {
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.pacer.Done():
			return errClosed
		}
	}
	// The picture first, then the deadline: otherwise each picture would wait for a deadline unrelated to its arrival.
	if _, err := s.pacer.Wait(ctx, errClosed); err != nil {
		return err
	}
	return s.take(dst, p)
}

// ready reports whether there is a picture or an error to return.
func (s *Stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest.info.Size > 0 || s.end != nil
}

// take returns the newest picture, or why there is none.
func (s *Stream) take(dst []byte, p *frame.Picture) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := &s.newest; h.info.Size > 0 {
		err := deliver(dst, h.data, &h.info, p)
		p.Captured, p.Sequence = h.captured, h.sequence
		h.info.Size = 0
		return err
	}
	return s.end
}

// run reads pictures until the stream ends.
func (s *Stream) run() {
	defer close(s.stopped)
	err := s.pump()
	s.mu.Lock()
	s.end = s.endOf(err)
	s.mu.Unlock()
	s.announce()
}

// endOf returns the stream's final error. mu is held.
func (s *Stream) endOf(err error) error {
	broken, why := s.Dropped()
	switch {
	case errors.Is(err, frame.ErrNoPicture), errors.Is(err, frame.ErrUnsupported), errors.Is(err, frame.ErrReopen):
		return fmt.Errorf("mjpeg: %s: %w", s.name, err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("mjpeg: %s: %w: %w", s.name, frame.ErrGone, err)
	case s.sequence > 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("mjpeg: %s: %w", s.name, frame.ErrEnd)
	case s.sequence > 0:
		return fmt.Errorf("mjpeg: %s: %w: truncated in the middle of a picture", s.name, frame.ErrEnd)
	case broken > 0:
		//nolint:errorlint // must not be a frame.ErrBadPicture, after which reading continues
		return fmt.Errorf("mjpeg: %s: %w that can be shown (%d dropped): %v", s.name, frame.ErrNoPicture, broken, why)
	}
	return fmt.Errorf("mjpeg: %s: %w: %w", s.name, frame.ErrNoPicture, err)
}

func (s *Stream) pump() error {
	r, err := newReader(bufio.NewReaderSize(s.in, 64<<10))
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", frame.ErrNoPicture)
	} else if errors.Is(err, frame.ErrReopen) {
		return err
	} else if err != nil {
		return &refused{err}
	}
	for {
		picture, err := r.next()
		if err != nil {
			if !errors.Is(err, frame.ErrBadPicture) {
				return s.explain(r, err)
			}
			s.Drop(err)
			continue
		}
		s.mu.Lock()
		s.sequence++
		if r.scanner != nil {
			s.newest.data, s.newest.memory = picture.Data, r.scanner.Swap(s.newest.memory)
		} else {
			s.newest.data = append(s.newest.data[:0], picture.Data...)
		}
		s.newest.info, s.newest.captured, s.newest.sequence = picture.Info, captureTime(&picture, time.Now()), s.sequence
		s.size.Store(uint64(picture.Info.Width)<<32 | uint64(picture.Info.Height))
		s.mu.Unlock()
		s.announce()
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
	s.mu.Lock()
	empty := s.sequence == 0
	s.mu.Unlock()
	if n, _ := s.Dropped(); !empty || n > 0 {
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

func (s *Stream) announce() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// SetFPS implements frame.RateSetter.
func (s *Stream) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("mjpeg: %w", err)
	}
	s.fps.Store(math.Float64bits(fps))
	return s.pacer.SetFPS(withSlack(fps))
}

// Close implements frame.Source.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		s.pacer.Close()
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never started
	})
	<-s.stopped
	return s.closeErr
}
