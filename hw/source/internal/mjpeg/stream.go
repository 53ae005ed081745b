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
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/hw/source/internal/pace"
)

// Stream delivers the pictures of a byte stream: always the newest that has come. It takes them in at Config.FPS at most, whatever SetFPS says, so that a
// program that makes them faster than in real time (ffmpeg on a file) is held back, and one that makes them live is not: its pictures do not wait
// in a pipe while nobody looks.
type Stream struct {
	name    string
	in      io.ReadCloser
	intake  *pace.Pacer // at most so many are taken in
	pacer   *pace.Pacer // at most so many are given out
	start   sync.Once
	stopped chan struct{} // closed when the goroutine has ended
	arrived chan struct{} // capacity 1: there is something new
	size    atomic.Uint64 // width<<32 | height of the newest picture
	fps     atomic.Uint64 // as asked for, float bits

	mu       sync.Mutex
	newest   held // Size 0: fetched already
	sequence uint64
	broken   int // broken pictures that have not been reported
	why      error
	end      error // set when nothing follows

	closing  sync.Once
	closeErr error
}

// held is a picture as it came.
type held struct {
	data     []byte
	header   jfif.Header
	captured time.Time
	sequence uint64
}

var (
	_ frame.JPEGSource = (*Stream)(nil)
	_ frame.RateSetter = (*Stream)(nil)
)

// slack is how much faster than asked the deadlines of a stream come, so that a stream of just that rate never waits for them, though its clock
// runs a little fast.
const slack = 1.005

func withSlack(fps float64) float64 {
	if fps*slack > pace.MaxFPS {
		return fps // also +Inf
	}
	return fps * slack
}

// NewStream makes a source of a stream that has MJPEG, plain, AVI or multipart; name is for people. Reading begins with the first ReadJPEG. in is the
// source's to close, which must end a read that waits. Config.Once means nothing here.
func NewStream(in io.ReadCloser, name string, c Config) (*Stream, error) {
	if c.FPS == 0 {
		c.FPS = math.Inf(1)
	}
	if err := pace.CheckFPS(c.FPS); err != nil {
		return nil, fmt.Errorf("mjpeg: %w", err)
	}
	s := &Stream{
		name: name, in: in, intake: pace.New(withSlack(c.FPS)), pacer: pace.New(withSlack(c.FPS)),
		stopped: make(chan struct{}), arrived: make(chan struct{}, 1),
	}
	s.fps.Store(math.Float64bits(c.FPS))
	return s, nil
}

// Info implements frame.Source. The size is 0x0 until a picture has come.
func (s *Stream) Info() frame.Info {
	size := s.size.Load()
	info := frame.Info{Name: s.name, Kind: "stdin", Encoder: "pass-through", Width: int(size >> 32), Height: int(uint32(size))}
	if fps := math.Float64frombits(s.fps.Load()); !math.IsInf(fps, 1) {
		info.FPS = fps
	}
	return info
}

// ReadJPEG implements frame.JPEGSource.
func (s *Stream) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
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
	// The picture first, then the deadline: the other way round each picture would wait for a deadline that has nothing to do with its arrival.
	if _, err := s.pacer.Wait(ctx, errClosed); err != nil {
		return err
	}
	return s.take(dst, p)
}

// ready tells whether there is something to hand out.
func (s *Stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken > 0 || s.newest.header.Size > 0 || s.end != nil
}

// take hands out what there is.
func (s *Stream) take(dst []byte, p *frame.Picture) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken > 0 {
		s.broken--
		return s.why
	}
	if h := &s.newest; h.header.Size > 0 {
		err := deliver(dst, h.data, h.header, p)
		p.Captured, p.Sequence = h.captured, h.sequence
		h.header.Size = 0
		return err
	}
	return s.end
}

// run takes pictures in until the stream ends.
func (s *Stream) run() {
	defer close(s.stopped)
	err := s.pump()
	s.mu.Lock()
	switch {
	case errors.Is(err, io.EOF):
		s.end = fmt.Errorf("mjpeg: %s: %w", s.name, frame.ErrEnd)
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.end = fmt.Errorf("mjpeg: %s: %w: in the middle of a picture", s.name, frame.ErrEnd)
	default:
		s.end = fmt.Errorf("mjpeg: %s: %w: %w", s.name, frame.ErrGone, err)
	}
	s.mu.Unlock()
	s.announce()
}

func (s *Stream) pump() error {
	r, err := newReader(bufio.NewReaderSize(s.in, 64<<10))
	if err != nil {
		return err
	}
	for {
		data, header, err := r.next()
		now := time.Now()
		if err != nil && !errors.Is(err, frame.ErrBadPicture) {
			return err
		}
		s.mu.Lock()
		s.sequence++
		if err != nil {
			s.broken++
			s.why = fmt.Errorf("mjpeg: %s: %w", s.name, err)
		} else {
			s.newest.data = append(s.newest.data[:0], data...)
			s.newest.header, s.newest.captured, s.newest.sequence = header, now, s.sequence
			s.size.Store(uint64(header.Width)<<32 | uint64(header.Height))
		}
		s.mu.Unlock()
		s.announce()
		if err == nil { // hold back what comes faster than it may
			if _, err := s.intake.Wait(context.Background(), errClosed); err != nil {
				return err
			}
		}
	}
}

func (s *Stream) announce() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// SetFPS implements frame.RateSetter: a lower rate leaves pictures out, a higher one than before also takes them in faster.
func (s *Stream) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("mjpeg: %w", err)
	}
	s.fps.Store(math.Float64bits(fps))
	if fps = withSlack(fps); fps > s.intake.FPS() {
		s.intake.SetFPS(fps) //nolint:errcheck // checked above
	}
	return s.pacer.SetFPS(fps)
}

// Close implements frame.Source.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		s.pacer.Close()
		s.intake.Close()
		s.closeErr = s.in.Close()
		s.start.Do(func() { close(s.stopped) }) // never begun
	})
	<-s.stopped
	return s.closeErr
}
