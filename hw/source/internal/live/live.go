// Package live has what the sources of live byte streams share: a goroutine reads as fast as the sender writes, so that pictures do not age in a pipe or
// socket, and only the newest one is delivered, at most at the requested rate.
package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/internal/pace"
)

// Stream hands the newest picture from the reading goroutine to the source's reader. The picture itself belongs to the source, which touches it only in
// the functions that Put, Take, and Close call. Put belongs to the reading goroutine, Take to the source's reader.
type Stream struct {
	Meter
	in      io.ReadCloser
	kind    string        // begins the errors
	closed  error         // what Take returns after Close
	pacer   *pace.Pacer   // limits the delivered rate
	fps     atomic.Uint64 // as requested, float bits
	start   sync.Once
	stopped chan struct{} // closed when the goroutine has ended
	arrived chan struct{} // capacity 1: there is news

	mu       sync.Mutex
	fresh    bool // the newest picture has not been delivered
	sequence uint64
	end      error // set when the stream has ended

	closing  sync.Once
	closeErr error
}

// slack is how much faster than requested a stream's deadlines are, so that a stream of exactly that rate never waits for them even if its clock
// is a little fast.
const slack = 1.005

func withSlack(fps float64) float64 {
	if fps*slack > pace.MaxFPS {
		return fps // also +Inf
	}
	return fps * slack
}

// New returns a Stream. It takes ownership of in, whose Close must interrupt a blocked read. kind begins error texts. fps is the maximum number of pictures per
// second; 0: no limit. closed is what Take returns after Close.
func New(in io.ReadCloser, kind string, fps float64, closed error) (*Stream, error) {
	if fps == 0 {
		fps = math.Inf(1)
	}
	if err := pace.CheckFPS(fps); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	s := &Stream{in: in, kind: kind, closed: closed, pacer: pace.New(withSlack(fps)), stopped: make(chan struct{}), arrived: make(chan struct{}, 1)}
	s.fps.Store(math.Float64bits(fps))
	return s, nil
}

// In returns the byte stream, for the reading goroutine.
func (s *Stream) In() io.Reader { return s.in }

// FPS returns the requested maximum rate; 0: no limit.
func (s *Stream) FPS() float64 {
	if fps := math.Float64frombits(s.fps.Load()); !math.IsInf(fps, 1) {
		return fps
	}
	return 0
}

// SetFPS implements frame.RateSetter.
func (s *Stream) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("%s: %w", s.kind, err)
	}
	s.fps.Store(math.Float64bits(fps))
	return s.pacer.SetFPS(withSlack(fps))
}

// Put stores a picture by calling store with its sequence number, which begins with 1.
func (s *Stream) Put(store func(sequence uint64)) {
	s.Arrived(time.Now())
	s.mu.Lock()
	s.sequence++
	store(s.sequence)
	s.fresh = true
	s.mu.Unlock()
	s.announce()
}

// Count returns the number of pictures so far.
func (s *Stream) Count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sequence
}

func (s *Stream) announce() {
	select {
	case s.arrived <- struct{}{}:
	default: // already announced
	}
}

// Take waits for a picture that has not been delivered and for its time, and calls take for it, whose error it returns. After the last picture it returns
// what ended the stream. The first call starts the goroutine, with read: it calls Put and returns why the stream has ended.
func (s *Stream) Take(ctx context.Context, read, take func() error) error {
	s.start.Do(func() { go s.run(read) })
	for !s.ready() {
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.pacer.Done():
			return s.closed
		}
	}
	// The picture first, then the deadline: otherwise each picture would wait for a deadline unrelated to its arrival.
	if _, err := s.pacer.Wait(ctx, s.closed); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fresh {
		return s.end
	}
	s.fresh = false
	return take()
}

// ready reports whether there is a picture or an error to return.
func (s *Stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh || s.end != nil
}

func (s *Stream) run(read func() error) {
	defer close(s.stopped)
	err := read()
	if err == nil {
		err = errors.New("ended without a reason")
	}
	s.mu.Lock()
	s.end = err
	s.mu.Unlock()
	s.announce()
}

// Close closes the byte stream, waits for the goroutine, and then calls discard, unless nil, to drop a picture that was not delivered.
func (s *Stream) Close(discard func()) error {
	s.closing.Do(func() {
		s.pacer.Close()
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never started
		<-s.stopped
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fresh = false
		if discard != nil {
			discard()
		}
	})
	return s.closeErr
}
