// Package photos is a source that shows a folder of photographs: each fills the frame and is panned slowly, so that no two frames are the same.
package photos

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/pool"
	"github.com/maixstream/maixstream/internal/pace"
)

// Config configures a Source. Zero fields select the default.
type Config struct {
	Width, Height int           // of the frames, pixels; default 640x480
	FPS           float64       // frames per second, up to 100000, or +Inf for as many as are read; default 30
	Dwell         time.Duration // how long a photograph is shown; default 5 s
	CacheBytes    int           // memory for scaled photographs beyond the two in use; default 64 MiB
	Recursive     bool          // include sub-folders
	Background    color.Color   // drawn behind transparent photographs; default white
	// Warn is called with photographs that are skipped, once each. nil disables it. It is called from the source's own goroutine.
	Warn func(error)
}

// Source delivers YUV420 frames of the photographs currently in the folder, by name, in a loop. Frames may be written to until
// they are released.
type Source struct {
	folder string
	config Config
	pacer  *pace.Pacer
	loader *loader
	wanted atomic.Uint64 // width<<32 | height
	closed sync.Once

	// Used by ReadFrame only:
	buffers *pool.Pool
	shown   *photo
	since   time.Time // when shown was first shown
	step    int       // of its pan
	asked   uint64    // the size of the loader's pending request; 0: none
	counter uint64
}

var (
	_ frame.RawSource  = (*Source)(nil)
	_ frame.RateSetter = (*Source)(nil)
	_ frame.Resizer    = (*Source)(nil)
)

var errClosed = fmt.Errorf("photos: %w: closed", frame.ErrEnd)

// Open opens a folder. It fails if the folder cannot be read or has no photograph (.jpg, .jpeg, .png) that can be decoded.
func Open(folder string, c Config) (*Source, error) {
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if c.Dwell <= 0 {
		c.Dwell = 5 * time.Second
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 64 << 20
	}
	if err := errors.Join(pace.CheckFPS(c.FPS), frame.CheckSize(c.Width, c.Height)); err != nil {
		return nil, fmt.Errorf("photos: %w", err)
	}
	if c.Background == nil {
		c.Background = color.White
	}
	s := &Source{folder: folder, config: c, pacer: pace.New(c.FPS), loader: newLoader(folder, &c)}
	s.wanted.Store(pack(c.Width, c.Height))

	first := s.loader.load(request{size: pack(c.Width, c.Height)})
	if first.err != nil {
		return nil, fmt.Errorf("photos: %w", first.err)
	}
	if err := s.show(first.photo); err != nil {
		return nil, fmt.Errorf("photos: %w", err)
	}
	go s.loader.run()
	return s, nil
}

// Info implements frame.Source.
func (s *Source) Info() frame.Info {
	w, h := unpack(s.wanted.Load())
	return frame.Info{Name: s.folder, Kind: "files", Width: w, Height: h, FPS: s.pacer.FPS()}
}

// Skipped returns how many of the folder's photographs could not be decoded.
func (s *Source) Skipped() int { return int(s.loader.skipped.Load()) }

// ReadFrame implements frame.RawSource. The next photograph is decoded while one is shown, which stays until that is done.
func (s *Source) ReadFrame(ctx context.Context, f *frame.Frame) error {
	missed, err := s.pacer.Wait(ctx, errClosed)
	if err != nil {
		return err
	}
	now := time.Now()
	s.counter += 1 + missed
	if err := s.turn(now); err != nil {
		return err
	}
	if err := s.buffers.Get(f); err != nil {
		return fmt.Errorf("photos: %w", err)
	}
	s.shown.pan(f, s.step)
	s.step++
	f.Captured, f.Sequence = now, s.counter
	return nil
}

// turn switches to the next photograph, or to the same one in another size, when it is due and decoded.
func (s *Source) turn(now time.Time) error {
	if s.since.IsZero() {
		s.since = now
	}
	want := s.wanted.Load()
	if s.asked == 0 {
		switch {
		case want != s.shown.size:
			s.ask(request{path: s.shown.path, size: want})
		case now.Sub(s.since) >= s.config.Dwell/2: // in time, but not all at once at the start
			s.ask(request{path: s.shown.path, next: true, size: want})
		}
		return nil
	}
	if s.asked == want && want == s.shown.size && now.Sub(s.since) < s.config.Dwell {
		return nil
	}
	select {
	case r := <-s.loader.results:
		s.asked = 0
		if r.err != nil {
			return fmt.Errorf("photos: %w: %w", frame.ErrGone, r.err)
		}
		if r.photo.size != want {
			return nil // resized again meanwhile
		}
		if r.photo == s.shown { // the only one
			s.since = now
			return nil
		}
		if r.photo.path != s.shown.path || r.photo.version != s.shown.version {
			s.since = now
		}
		return s.show(r.photo)
	default:
		return nil
	}
}

func (s *Source) ask(r request) {
	s.asked = r.size
	s.loader.requests <- r // never blocks: one request at a time
}

// show makes p the photograph from which frames are cut.
func (s *Source) show(p *photo) error {
	if s.shown == nil || s.shown.size != p.size {
		w, h := unpack(p.size)
		buffers, err := pool.New(frame.YUV420, w, h)
		if err != nil {
			return err
		}
		s.buffers = buffers
	}
	s.shown, s.step = p, 0
	return nil
}

// SetFPS implements frame.RateSetter.
func (s *Source) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("photos: %w", err)
	}
	return s.pacer.SetFPS(fps)
}

// Resize implements frame.Resizer: frames keep the old size until the photograph has been rescaled.
func (s *Source) Resize(width, height int) error {
	if err := frame.CheckSize(width, height); err != nil {
		return fmt.Errorf("photos: %w", err)
	}
	s.wanted.Store(pack(width, height))
	return nil
}

// Close implements frame.Source. It waits until a photograph being decoded is done.
func (s *Source) Close() error {
	s.pacer.Close()
	s.closed.Do(func() { close(s.loader.stop) })
	<-s.loader.stopped
	return nil
}

func pack(width, height int) uint64 { return uint64(width)<<32 | uint64(height) }

func unpack(size uint64) (width, height int) { return int(size >> 32), int(uint32(size)) }
