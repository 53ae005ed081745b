// Package testcard is a source that draws a moving test card: colour bars, a sweep, a clock with milliseconds and the frame's number, for
// people (to measure delay, film both screens) and programs (ReadNumber).
package testcard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/pool"
	"github.com/maixstream/maixstream/internal/pace"
)

// Config configures a Source. Zero fields select the default.
type Config struct {
	Width, Height int     // pixels, 1x1 up to frame.MaxDimension; default 640x480
	FPS           float64 // frames per second, up to 100000, or +Inf for as many as are read; default 30
}

// Source draws YUV420 frames. The time drawn in a frame is its Captured, the number its Sequence (the low 32 bits). Frames that
// were due while nobody read count as lost, as a camera's would. Frames may be written to until they are released.
type Source struct {
	pacer    *pace.Pacer
	resizing sync.Mutex
	current  atomic.Pointer[sized]
	sequence uint64 // of the last frame; used by ReadFrame only
}

// sized holds what depends on the size.
type sized struct {
	card *card
	pool *pool.Pool
}

var (
	_ frame.RawSource  = (*Source)(nil)
	_ frame.RateSetter = (*Source)(nil)
	_ frame.Resizer    = (*Source)(nil)
)

// ErrClosed is returned by reads of a closed source.
var ErrClosed = fmt.Errorf("testcard: %w: closed", frame.ErrEnd)

// New returns a test card source. It fails if the size or rate is out of range.
func New(c Config) (*Source, error) {
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if err := pace.CheckFPS(c.FPS); err != nil {
		return nil, fmt.Errorf("testcard: %w", err)
	}
	s := &Source{pacer: pace.New(c.FPS)}
	if err := s.Resize(c.Width, c.Height); err != nil {
		return nil, err
	}
	return s, nil
}

// Info implements frame.Source.
func (s *Source) Info() frame.Info {
	card := s.current.Load().card
	return frame.Info{Name: "testcard", Kind: "testcard", Width: card.width, Height: card.height, FPS: s.pacer.FPS()}
}

// ReadFrame implements frame.RawSource.
func (s *Source) ReadFrame(ctx context.Context, f *frame.Frame) error {
	missed, err := s.pacer.Wait(ctx, ErrClosed)
	if err != nil {
		return err
	}
	now := s.current.Load()
	if err := now.pool.Get(f); err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	s.sequence += 1 + missed
	f.Sequence = s.sequence
	f.Captured = time.Now()
	now.card.draw(f, s.pacer.FPS())
	return nil
}

// SetFPS implements frame.RateSetter; it also affects a waiting read.
func (s *Source) SetFPS(fps float64) error {
	if err := s.pacer.SetFPS(fps); err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	return nil
}

// Resize implements frame.Resizer; the next frame has the new size.
func (s *Source) Resize(width, height int) error {
	s.resizing.Lock()
	defer s.resizing.Unlock()
	buffers, err := pool.New(frame.YUV420, width, height)
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	card, err := newCard(width, height)
	if err != nil {
		return errors.Join(errors.New("testcard: draw the background"), err)
	}
	s.current.Store(&sized{card: card, pool: buffers})
	return nil
}

// Close implements frame.Source.
func (s *Source) Close() error {
	s.pacer.Close()
	return nil
}
