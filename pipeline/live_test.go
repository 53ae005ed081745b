package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// sender is a live source: one picture after each pause, then silence. Its rate is unknown, as a stream's without a requested one.
type sender struct {
	*camera
	pauses func(n int) time.Duration // before picture n; negative: no more pictures
	n      int
	last   time.Time
	known  atomic.Int64
}

func newSender(pauses func(n int) time.Duration) *sender {
	return &sender{camera: newCamera(time.Nanosecond), pauses: pauses}
}

func (s *sender) Info() frame.Info {
	info := s.camera.Info()
	info.FPS = 0
	return info
}

func (s *sender) Interval() time.Duration { return time.Duration(s.known.Load()) }

func (s *sender) ReadFrame(ctx context.Context, f *frame.Frame) error {
	pause := s.pauses(s.n)
	if pause < 0 {
		pause = time.Hour
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return frame.ErrGone
	}
	if s.n++; s.n > 1 {
		s.known.Store(int64(time.Since(s.last)))
	}
	s.last, s.next = time.Now(), time.Now()
	return s.camera.ReadFrame(ctx, f)
}

// opening counts the sessions of a live source, and remembers when each began.
type opening struct {
	mu sync.Mutex
	at []time.Time
}

func (o *opening) times() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

func (o *opening) open(pauses func(session, n int) time.Duration) func(context.Context, pipeline.Settings) (frame.Source, error) {
	return func(context.Context, pipeline.Settings) (frame.Source, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.at = append(o.at, time.Now())
		session := len(o.at)
		return newSender(func(n int) time.Duration { return pauses(session, n) }), nil
	}
}

// A sender that is slower than the requested rate, but steady, is never lost, with viewers or without.
func TestSlowSenderIsNotLost(t *testing.T) {
	for _, watched := range []bool{true, false} {
		for _, interval := range []time.Duration{4 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second} {
			t.Run(fmt.Sprint(interval, watched), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var o opening
					p := start(t, setup{open: o.open(func(_, n int) time.Duration {
						if n == 0 {
							return 0
						}
						return interval
					})})
					if watched {
						defer p.Watch()()
					}
					time.Sleep(time.Second)
					for range 300 {
						time.Sleep(time.Second + time.Millisecond)
						if s := p.State(); !s.Signal || s.Restarts != 0 {
							t.Fatalf("signal %v, %d restarts: %s", s.Signal, s.Restarts, s.Reason)
						}
						if err := p.Health(interval + 5*time.Second); err != nil {
							t.Fatal(err)
						}
					}
					if s := p.State(); s.Interval != interval.Seconds() || s.CapturedFPS < 0.5/interval.Seconds() || s.CapturedFPS > 2/interval.Seconds() {
						t.Errorf("interval %v, %.3f fps", s.Interval, s.CapturedFPS)
					}
				})
			})
		}
	}
}

// A sender that falls silent is noticed after three seconds more than two of its intervals.
func TestSilentSenderIsLost(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{time.Second / 30: 3 * time.Second, time.Second: 5 * time.Second, 10 * time.Second: 23 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var o opening
			p := start(t, setup{open: o.open(func(session, n int) time.Duration {
				if session > 1 || n > 100 {
					return -1
				}
				return interval
			})})
			defer p.Watch()()
			time.Sleep(101*interval + want - time.Second)
			if s := p.State(); !s.Signal {
				t.Errorf("every %v: lost before its time: %s", interval, s.Reason)
			}
			time.Sleep(3 * time.Second)
			if s := p.State(); s.Signal || !strings.Contains(s.Reason, "no picture for") {
				t.Errorf("every %v: not lost %v after its last picture: %s", interval, want+2*time.Second, s.Reason)
			}
		})
	}
}

// A sender that has delivered one picture, or none, is reopened after some 25 s, and later after a minute; without a picture, the reason is shown after three seconds,
// or five if nobody watched at the start.
func TestSenderThatNeverContinuesIsReopened(t *testing.T) {
	for pictures := range 2 {
		synctest.Test(t, func(t *testing.T) {
			var o opening
			p := start(t, setup{open: o.open(func(_, n int) time.Duration {
				if n < pictures {
					return 0
				}
				return -1
			})})
			defer p.Watch()()
			time.Sleep(6500 * time.Millisecond)
			if s := p.State(); s.Signal != (pictures > 0) || !s.Signal && !strings.Contains(s.Reason, "no picture for") {
				t.Errorf("%d pictures: signal %v: %s", pictures, s.Signal, s.Reason)
			}
			time.Sleep(10500 * time.Millisecond)
			if at := o.times(); len(at) != 1 {
				t.Errorf("%d pictures: opened %d times", pictures, len(at))
			}
			if err := p.Health(10 * time.Second); err != nil && strings.Contains(err.Error(), pipeline.ErrHung.Error()) {
				t.Error(err)
			}
			time.Sleep(20 * time.Second)
			if at := o.times(); len(at) != 2 {
				t.Errorf("%d pictures: opened %d times", pictures, len(at))
			}
			time.Sleep(10 * time.Minute)
			at := o.times()
			if last := at[len(at)-1].Sub(at[len(at)-2]); last < time.Minute || last > 80*time.Second {
				t.Errorf("%d pictures: reopened after %v in the end, want about a minute", pictures, last)
			}
		})
	}
}

// After a sender of a known interval was lost, its successor is given as little time, and more with each attempt: it may have become slower.
func TestSenderThatBecomesSlowComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o opening
		p := start(t, setup{open: o.open(func(session, n int) time.Duration {
			if session == 1 && n < 100 {
				return 33 * time.Millisecond
			}
			return 15 * time.Second
		})})
		defer p.Watch()()
		time.Sleep(5 * time.Minute)
		at := o.times()
		if len(at) < 3 || len(at) > 5 {
			t.Fatalf("opened %d times", len(at))
		}
		if second := at[2].Sub(at[1]); second > 10*time.Second {
			t.Errorf("the second session, without a picture, lasted %v", second)
		}
		for range 60 {
			time.Sleep(time.Second)
			if s := p.State(); !s.Signal || s.Restarts != uint64(len(at)-1) {
				t.Fatalf("signal %v, %d restarts: %s", s.Signal, s.Restarts, s.Reason)
			}
		}
	})
}

// A server that asks to be left alone for minutes is, and that is neither a hang nor a secret.
func TestBusySourceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 5 * time.Minute
		var opened atomic.Int64
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			if opened.Add(1)%2 == 1 {
				return nil, fmt.Errorf("http://camera/: %w", &frame.BusyError{Status: "503 Service Unavailable", Wait: wait})
			}
			return newCamera(10 * time.Millisecond), nil
		}})
		defer p.Watch()()
		for range 9 {
			time.Sleep(wait / 10)
			if s := p.State(); opened.Load() != 1 || s.Signal || !strings.Contains(s.Reason, "asks to wait 5m0s; next attempt at ") {
				t.Errorf("opened %d times: %s", opened.Load(), s.Reason)
			}
			if err := p.Health(20 * time.Second); !errors.Is(err, pipeline.ErrNoSignal) {
				t.Errorf("health: %v", err)
			}
		}
		time.Sleep(wait/10 + 5*time.Second)
		if s := p.State(); opened.Load() != 2 || !s.Signal {
			t.Errorf("opened %d times: %s", opened.Load(), s.Reason)
		}
	})
}
