package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// tuned is a camera with a settable rate, which it adopts with a delay.
type tuned struct {
	*camera
	lag time.Duration
	fps atomic.Int64 // thousandths
}

func (c *tuned) SetFPS(fps float64) error {
	time.AfterFunc(c.lag, func() { c.fps.Store(int64(fps * 1000)) })
	return nil
}

func (c *tuned) ReadFrame(ctx context.Context, f *frame.Frame) error {
	for last := time.Now(); ; {
		if fps := c.fps.Load(); fps > 0 && time.Since(last) >= time.Second*1000/time.Duration(fps) {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		case <-c.closed:
			return frame.ErrGone
		}
	}
	c.next = time.Now()
	return c.camera.ReadFrame(ctx, f)
}

// After a long idle time at a low rate, the source must not be considered dead; a dead one is still detected.
func TestWatchdogAllowsForTheRequestedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			opened++
			return &tuned{camera: newCamera(10 * time.Millisecond), lag: 700 * time.Millisecond}, nil
		}})
		p.SetIdleFPS(0.1)
		for range 5 {
			time.Sleep(13 * time.Second)
			leave := p.Watch()
			time.Sleep(2 * time.Second)
			leave()
		}
		if s := p.State(); opened != 1 || s.Restarts != 0 || !s.Signal {
			t.Errorf("opened %d times, restarts %d, signal %v", opened, s.Restarts, s.Signal)
		}
	})
}

func TestWatchdogDetectsADeadSourceDespiteViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			opened++
			return &tuned{camera: newCamera(10 * time.Millisecond), lag: time.Hour}, nil
		}})
		for range 10 {
			leave := p.Watch()
			time.Sleep(500 * time.Millisecond)
			leave()
			time.Sleep(3 * time.Second)
		}
		if s := p.State(); opened < 3 || s.Signal {
			t.Errorf("opened %d times in 35 s, signal %v", opened, s.Signal)
		}
	})
}

// late is a source whose first read ignores its context and Close, and returns a picture long after the source was abandoned.
type late struct{ *camera }

func (l *late) ReadFrame(context.Context, *frame.Frame) error {
	time.Sleep(10 * time.Second)
	return nil
}

func TestAbandonedSourcesPictureIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			if opened++; opened == 1 {
				return &late{newCamera(time.Second)}, nil
			}
			return nil, fmt.Errorf("unplugged: %w", frame.ErrGone)
		}})
		defer p.Watch()()
		time.Sleep(10*time.Second + time.Millisecond)
		if s := p.State(); s.Signal || s.Captured != 0 || s.Published != 0 {
			t.Fatalf("signal %v, captured %d, published %d", s.Signal, s.Captured, s.Published)
		}
		var f ring.Frame
		if err := p.Snapshot(t.Context(), time.Now(), &f); !errors.Is(err, pipeline.ErrNoSignal) {
			t.Errorf("snapshot: %v", err)
		}
	})
}

// A source that ends neither its read nor its Close delays Close only once.
func TestCloseWaitsOnceForAHungSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			return &stubborn{late{newCamera(time.Second)}}, nil
		}})
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		p.Close()
		if took := time.Since(began); took > time.Second+time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		time.Sleep(20 * time.Second) // the bubble ends only when all its goroutines have
	})
}

type stubborn struct{ late }

func (s *stubborn) Close() error {
	time.Sleep(15 * time.Second)
	return nil
}

// The pipeline may be closed while the source is being opened; if that does not end, it is abandoned as usual.
func TestCloseWhileOpeningAHungSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: func(ctx context.Context, _ pipeline.Settings) (frame.Source, error) {
			<-ctx.Done()
			time.Sleep(500 * time.Millisecond)
			return &stubborn{late{newCamera(time.Second)}}, nil
		}})
		synctest.Wait()
		began := time.Now()
		p.Close()
		if took := time.Since(began); took > time.Second+time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		time.Sleep(20 * time.Second)
	})
}

// learner is a source that knows its size only after the first picture, like a stream.
type learner struct{ *camera }

func (l *learner) Info() frame.Info {
	info := l.camera.Info()
	if l.read.Load() == 0 {
		info.Width, info.Height = 0, 0
	}
	return info
}

func TestStateShowsTheSourcesUpdatedSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			return &learner{newCamera(100 * time.Millisecond)}, nil
		}})
		time.Sleep(time.Second)
		if s := p.State().Source; s.Width != 8 || s.Height != 8 {
			t.Errorf("%dx%d", s.Width, s.Height)
		}
	})
}
