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
)

// patient is how late a picture may be here.
const patient = 30 * time.Second

// healthAt waits and expects an error, or nil.
func healthAt(t *testing.T, p *pipeline.Pipeline, after time.Duration, want error) {
	t.Helper()
	time.Sleep(after)
	if err := p.Health(patient); !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("after another %v: %v, want %v", after, err, want)
	}
}

func TestHealthOfAnUnpluggedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var unplugged atomic.Bool
		away := func() error {
			if unplugged.Load() {
				return fmt.Errorf("unplugged: %w", frame.ErrGone)
			}
			return nil
		}
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			if err := away(); err != nil {
				return nil, err
			}
			c := newCamera(10 * time.Millisecond)
			c.fail = func(uint64) error { return away() }
			return c, nil
		}})
		defer p.Watch()()
		healthAt(t, p, time.Minute, nil)
		unplugged.Store(true)
		healthAt(t, p, patient-time.Second, nil)
		healthAt(t, p, 2*time.Second, pipeline.ErrNoSignal)
		healthAt(t, p, time.Hour, pipeline.ErrNoSignal) // it is being retried: no reason to restart the program
		unplugged.Store(false)
		healthAt(t, p, time.Minute, nil)
	})
}

func TestHealthOfAHungDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		opened := 0
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			if opened++; opened > 1 {
				<-end
				return nil, frame.ErrGone
			}
			c := newCamera(10 * time.Millisecond)
			c.fail = func(n uint64) error {
				if n > 100 {
					return frame.ErrGone
				}
				return nil
			}
			return c, nil
		}})
		defer p.Watch()()
		healthAt(t, p, patient, nil)
		healthAt(t, p, 10*time.Second, pipeline.ErrHung)
	})
}

// The first picture has as much time as later ones.
func TestHealthAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: func(ctx context.Context, _ pipeline.Settings) (frame.Source, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		healthAt(t, p, patient-time.Second, nil)
		healthAt(t, p, 4*time.Second, pipeline.ErrHung)
	})
}

// A picture that is not due is not late: not without viewers at a low rate, nor when a viewer arrives then.
func TestHealthAtALowRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			if silent.Load() {
				return nil, frame.ErrGone
			}
			c := &tuned{camera: newCamera(10 * time.Millisecond), lag: 5 * time.Second}
			c.fail = func(uint64) error {
				if silent.Load() {
					return frame.ErrGone
				}
				return nil
			}
			return c, nil
		}})
		p.SetIdleFPS(0.01) // a picture every 100 seconds
		for range 5 {
			healthAt(t, p, 99*time.Second, nil)
			leave := p.Watch()
			healthAt(t, p, 0, nil)
			healthAt(t, p, 20*time.Second, nil)
			leave()
		}
		silent.Store(true)
		healthAt(t, p, 200*time.Second, nil)
		// Viewers who come and go do not extend the deadline.
		for range 30 {
			time.Sleep(time.Second)
			p.Watch()()
		}
		healthAt(t, p, 150*time.Second, pipeline.ErrNoSignal)
	})
}

// A source slower than wanted has a rate in each state, and loses its signal as little as one that is asked for few pictures.
func TestSlowSourceHasARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) { return newCamera(7 * time.Second), nil }})
		defer p.Watch()()
		time.Sleep(30 * time.Second)
		for range 20 {
			time.Sleep(1300 * time.Millisecond)
			if s := p.State(); s.FPS < 0.1 || s.FPS > 0.2 || s.CapturedFPS < 0.1 || !s.Signal || s.Restarts != 0 {
				t.Errorf("%.2f of %.2f fps, signal %v, restarts %d", s.FPS, s.CapturedFPS, s.Signal, s.Restarts)
			}
		}
	})
}
