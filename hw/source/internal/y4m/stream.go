package y4m

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
)

// Stream delivers the newest frame of a byte stream. It reads as fast as the sender writes, so that frames do not age in a pipe; a
// lower rate drops frames after that. Frames may be written to until they are released.
type Stream struct {
	decoder
	name    string
	in      io.ReadCloser
	pacer   *pace.Pacer // limits the delivered rate
	start   sync.Once
	stopped chan struct{} // closed when the goroutine has ended
	arrived chan struct{} // capacity 1: there is news
	fps     atomic.Uint64 // as requested, float bits

	mu       sync.Mutex
	newest   frame.Frame
	fresh    bool // newest has not been delivered
	sequence uint64
	end      error // set when the stream has ended

	closing  sync.Once
	closeErr error
}

var (
	_ frame.RawSource  = (*Stream)(nil)
	_ frame.RateSetter = (*Stream)(nil)
)

// slack is how much faster than requested the deadlines are, so that a stream of exactly that rate never waits for them even if its clock is a little fast.
const slack = 1.005

func withSlack(fps float64) float64 {
	if fps*slack > pace.MaxFPS {
		return fps // also +Inf
	}
	return fps * slack
}

// NewStream returns a source for a Y4M stream, whose header it reads; name is for display. fps is the maximum number of frames per second; 0: no limit.
// The source takes ownership of in, whose Close must interrupt a blocked read.
func NewStream(in io.ReadCloser, name string, fps float64) (*Stream, error) {
	if fps == 0 {
		fps = math.Inf(1)
	}
	if err := pace.CheckFPS(fps); err != nil {
		return nil, fmt.Errorf("y4m: %w", err)
	}
	s := &Stream{name: name, in: in, pacer: pace.New(withSlack(fps)), stopped: make(chan struct{}), arrived: make(chan struct{}, 1)}
	s.fps.Store(math.Float64bits(fps))
	if _, err := s.decoder.init(in); err != nil {
		return nil, fmt.Errorf("y4m: %s: %w", name, err)
	}
	return s, nil
}

// Info implements frame.Source. The rate is the header's, or the requested one if that is lower.
func (s *Stream) Info() frame.Info {
	info := frame.Info{Name: s.name, Kind: "y4m", Width: s.header.width, Height: s.header.height, FPS: s.header.fps}
	if most := math.Float64frombits(s.fps.Load()); !math.IsInf(most, 1) && (info.FPS == 0 || most < info.FPS) {
		info.FPS = most
	}
	return info
}

// ReadFrame implements frame.RawSource.
func (s *Stream) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("read: no context, or no frame to fill")
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
	if _, err := s.pacer.Wait(ctx, errClosed); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh {
		*f, s.newest, s.fresh = s.newest, frame.Frame{}, false
		return nil
	}
	return s.end
}

// ready reports whether there is a frame or an error to return.
func (s *Stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh || s.end != nil
}

// run reads frames until the stream ends.
func (s *Stream) run() {
	defer close(s.stopped)
	var f frame.Frame
	for {
		err := s.next(&f)
		s.mu.Lock()
		if err != nil {
			s.end = s.endOf(err)
		} else {
			s.sequence++
			f.Captured, f.Sequence = time.Now(), s.sequence
			s.newest.Release() // not fetched in time
			s.newest, s.fresh, f = f, true, frame.Frame{}
		}
		s.mu.Unlock()
		select {
		case s.arrived <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// endOf returns the stream's final error; a stream cannot be resynchronised after a damaged frame line. mu is held.
func (s *Stream) endOf(err error) error {
	switch {
	case s.sequence == 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w: it has a header, but no frame", s.name, frame.ErrNoPicture)
	case s.sequence == 0:
		return fmt.Errorf("y4m: %s: %w: %w", s.name, frame.ErrNoPicture, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w", s.name, frame.ErrEnd)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("y4m: %s: %w: truncated in the middle of a frame", s.name, frame.ErrEnd)
	}
	return fmt.Errorf("y4m: %s: %w: %w", s.name, frame.ErrEnd, err)
}

// SetFPS implements frame.RateSetter.
func (s *Stream) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("y4m: %w", err)
	}
	s.fps.Store(math.Float64bits(fps))
	return s.pacer.SetFPS(withSlack(fps))
}

// Close implements frame.Source. Delivered frames stay readable until they are released.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		s.pacer.Close()
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never started
		<-s.stopped
		s.mu.Lock()
		defer s.mu.Unlock()
		s.newest.Release()
		s.newest, s.fresh = frame.Frame{}, false
	})
	<-s.stopped
	return s.closeErr
}
