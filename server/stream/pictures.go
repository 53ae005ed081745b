package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// PicturesConfig configures Pictures.
type PicturesConfig struct {
	// Slots is the ring's capacity in pictures and SlotSize the size limit of a picture, in bytes. Slots x SlotSize of address space is reserved;
	// only what pictures have actually filled uses memory.
	Slots, SlotSize int
	// Name and Kind describe the source in /state.
	Name, Kind string
	// Waiting explains why there is no picture before the first one.
	Waiting string
}

// Pictures is a Feed whose pictures arrive at any time: written by a program, or posted by a device. Its methods are safe for concurrent
// use; Close frees its memory.
type Pictures struct {
	config PicturesConfig
	ring   *ring.Ring

	produce sync.Mutex // serializes writers: the ring has a single producer

	mu       sync.Mutex
	second   time.Time // beginning of the current second
	running  struct{ frames, bytes int }
	newest   time.Time     // when the newest picture arrived
	interval time.Duration // between the two newest
	state    pipeline.State
	watching int
	left     time.Time // when the last watcher left
}

// NewPictures returns a feed without a picture.
func NewPictures(c PicturesConfig) (*Pictures, error) {
	r, err := ring.New(ring.Config{Slots: c.Slots, SlotSize: c.SlotSize, Envelope: Envelope()})
	if err != nil {
		return nil, err
	}
	return &Pictures{config: c, ring: r}, nil
}

// Close frees the feed's memory. No Handler may use it afterwards.
func (p *Pictures) Close() {
	p.produce.Lock()
	defer p.produce.Unlock()
	p.ring.Close()
}

// Write publishes a JPEG with the given size in pixels; it copies jpg and never waits for a viewer. The error wraps frame.ErrTooLarge if jpg
// exceeds SlotSize.
func (p *Pictures) Write(jpg []byte, width, height int, captured time.Time) error {
	if len(jpg) > p.config.SlotSize {
		return fmt.Errorf("a JPEG of %d bytes, at most %d are supported: %w", len(jpg), p.config.SlotSize, frame.ErrTooLarge)
	}
	p.produce.Lock()
	defer p.produce.Unlock()
	v, ok := p.ring.Reserve()
	if !ok {
		p.mu.Lock()
		p.state.Dropped.Ring++
		p.mu.Unlock()
		return errors.New("slow readers hold every slot; picture dropped")
	}
	picture := frame.Picture{Size: copy(v.Buffer(p.ring), jpg), Width: width, Height: height, Captured: captured}
	now := time.Now()
	if err := p.ring.Publish(v, &picture, now); err != nil {
		return err
	}
	p.count(&picture, now)
	return nil
}

func (p *Pictures) count(picture *frame.Picture, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.state
	s.Captured++
	s.Published++
	s.Newest = pipeline.Newest{Sequence: s.Published, Captured: picture.Captured, Width: picture.Width, Height: picture.Height, Bytes: picture.Size}
	p.roll(now)
	if !p.newest.IsZero() {
		p.interval = now.Sub(p.newest)
	}
	p.newest = now
	p.running.frames++
	p.running.bytes += picture.Size
}

// roll converts the current second's counts to rates once it is over.
func (p *Pictures) roll(now time.Time) {
	d := now.Sub(p.second)
	if d < time.Second {
		return
	}
	if d > 3*time.Second {
		p.running.frames, p.running.bytes = 0, 0 // after a pause, or the first picture
	}
	p.state.FPS = float64(p.running.frames) / d.Seconds()
	p.state.BytesPerSec = float64(p.running.bytes) / d.Seconds()
	if p.interval > time.Second && p.interval <= pace.Longest && now.Sub(p.newest) <= 2*p.interval+time.Second { // a slow rate, not a pause
		p.state.FPS = 1 / p.interval.Seconds()
		p.state.BytesPerSec = float64(p.state.Newest.Bytes) * p.state.FPS
	}
	p.state.CapturedFPS = p.state.FPS
	p.running.frames, p.running.bytes = 0, 0
	p.second = now
}

// Ring implements Feed.
func (p *Pictures) Ring() *ring.Ring { return p.ring }

// Watch implements Feed. It only counts: pictures arrive whether somebody watches or not.
func (p *Pictures) Watch() (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watching++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.watching--; p.watching == 0 {
			p.left = time.Now()
		}
	}
}

// Watchers returns the number of watchers and, if there are none, since when; the zero time if there never were any.
func (p *Pictures) Watchers() (n int, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watching, p.left
}

// Snapshot implements Feed. It waits up to a second for a picture captured at or after notBefore, then falls back to the newest: the next one may be
// a minute away.
func (p *Pictures) Snapshot(ctx context.Context, notBefore time.Time, f *ring.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("snapshot: nil context or frame")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	reader := p.ring.NewReader()
	defer reader.Close()
	for reader.Next(ctx, f) == nil {
		if !f.Meta().Captured.Before(notBefore) {
			return nil
		}
		f.Release()
	}
	if p.ring.Latest(f) {
		return nil
	}
	return fmt.Errorf("%w: %s", pipeline.ErrNoSignal, p.config.Waiting)
}

// State implements Feed.
func (p *Pictures) State() pipeline.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(time.Now())
	s := p.state
	s.Source = frame.Info{Name: p.config.Name, Kind: p.config.Kind, Width: s.Newest.Width, Height: s.Newest.Height}
	s.Encoder = "pass-through"
	s.Signal = s.Published > 0
	if !s.Signal {
		s.Reason = p.config.Waiting
	}
	s.Settings = pipeline.Settings{Width: s.Newest.Width, Height: s.Newest.Height, FPS: s.FPS}
	return s
}

// Change implements Feed. It refuses every change: settings are up to whatever makes the pictures.
func (p *Pictures) Change(context.Context, pipeline.Change) (pipeline.Settings, error) {
	return pipeline.Settings{}, fmt.Errorf("change settings: they are up to the %s that makes the pictures: %w", p.config.Kind, frame.ErrUnsupported)
}

var _ Feed = (*Pictures)(nil)
