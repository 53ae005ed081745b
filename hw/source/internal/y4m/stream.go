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

// Stream delivers the frames of a byte stream: always the newest that has come. It takes them in as fast as they are sent, so that none grows old in a pipe; a
// lower rate leaves frames out after that. Frames may be written until they are released.
type Stream struct {
	decoder
	name    string
	in      io.ReadCloser
	pacer   *pace.Pacer // at most so many are given out
	start   sync.Once
	stopped chan struct{} // closed when the goroutine has ended
	arrived chan struct{} // capacity 1: there is something new
	fps     atomic.Uint64 // as asked for, float bits

	mu       sync.Mutex
	newest   frame.Frame
	fresh    bool // newest has not been fetched
	sequence uint64
	end      error // set when nothing follows

	closing  sync.Once
	closeErr error
}

var (
	_ frame.RawSource  = (*Stream)(nil)
	_ frame.RateSetter = (*Stream)(nil)
)

// slack is how much faster than asked the deadlines come, so that a stream of just that rate never waits for them, though its clock runs a little fast.
const slack = 1.005

func withSlack(fps float64) float64 {
	if fps*slack > pace.MaxFPS {
		return fps // also +Inf
	}
	return fps * slack
}

// NewStream makes a source of a stream that has Y4M, whose header it reads; name is for people. fps is how many frames a second are wanted at most; 0: as many as come.
// in is the source's to close, which must end a read that waits.
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

// Info implements frame.Source. The rate is the header's, or less where less is wanted.
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

// ready tells whether there is something to hand out.
func (s *Stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh || s.end != nil
}

// run takes frames in until the stream ends.
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
			s.newest.Release() // not wanted in its time
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

// endOf says how the stream has ended: what follows a damaged frame line cannot be told apart any more. mu is held.
func (s *Stream) endOf(err error) error {
	switch {
	case s.sequence == 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w: it has a header, but no frame", s.name, frame.ErrNoPicture)
	case s.sequence == 0:
		return fmt.Errorf("y4m: %s: %w: %w", s.name, frame.ErrNoPicture, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w", s.name, frame.ErrEnd)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("y4m: %s: %w: in the middle of a frame", s.name, frame.ErrEnd)
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

// Close implements frame.Source. Frames that are out stay readable until their release.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		s.pacer.Close()
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never begun
		<-s.stopped
		s.mu.Lock()
		defer s.mu.Unlock()
		s.newest.Release()
		s.newest, s.fresh = frame.Frame{}, false
	})
	<-s.stopped
	return s.closeErr
}
