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

// tuned is a camera that is told its rate, and follows only some time after.
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

// Waking from a long rest is no reason to take the source for dead, which had been asked for so few pictures; a dead one is still found.
func TestWatchdogKnowsWhatTheSourceWasAskedFor(t *testing.T) {
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

func TestWatchdogFindsADeadSourceThoughViewersComeAndGo(t *testing.T) {
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

// late is a source whose first read neither heeds its context nor Close, and brings a picture long after the source was given up.
type late struct{ *camera }

func (l *late) ReadFrame(context.Context, *frame.Frame) error {
	time.Sleep(10 * time.Second)
	return nil
}

func TestPictureOfASourceThatWasLeftBehindIsNoSignal(t *testing.T) {
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

// A source that ends neither its read nor its Close does not cost twice the patience.
func TestCloseWaitsOnceForASourceThatHangs(t *testing.T) {
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
		time.Sleep(20 * time.Second) // the bubble ends only when all of it has
	})
}

type stubborn struct{ late }

func (s *stubborn) Close() error {
	time.Sleep(15 * time.Second)
	return nil
}

// The end may come while the source is being opened; one that does not close then is left behind as at any other time.
func TestCloseWhileASourceIsOpenedThatDoesNotClose(t *testing.T) {
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

// learner is a source that knows the size of its pictures only once one has come, as a stream's.
type learner struct{ *camera }

func (l *learner) Info() frame.Info {
	info := l.camera.Info()
	if l.read.Load() == 0 {
		info.Width, info.Height = 0, 0
	}
	return info
}

func TestStateShowsWhatTheSourceHasLearnt(t *testing.T) {
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
