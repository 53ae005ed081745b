package pace_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/internal/pace"
)

var errClosed = errors.New("closed")

func wait(t *testing.T, p *pace.Pacer) uint64 {
	t.Helper()
	missed, err := p.Wait(context.Background(), errClosed)
	if err != nil {
		t.Fatal(err)
	}
	return missed
}

func TestDeadlinesDoNotDrift(t *testing.T) {
	for _, fps := range []float64{1, 29.97, 30, 1000.0 / 7} {
		synctest.Test(t, func(t *testing.T) {
			p := pace.New(fps)
			wait(t, p)
			start := time.Now()
			const n = 100_000
			for i := range n {
				if i%100 == 0 {
					time.Sleep(time.Duration(float64(time.Second) / fps / 3)) // work, or a slow wake-up
				}
				if missed := wait(t, p); missed != 0 {
					t.Fatalf("missed %d", missed)
				}
			}
			want := time.Duration(n / fps * float64(time.Second))
			if off := time.Since(start) - want; off < -time.Millisecond || off > time.Millisecond {
				t.Errorf("%g a second: off by %v after %v", fps, off, want)
			}
		})
	}
}

func TestMissedDeadlinesAreCountedNotMadeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(10)
		wait(t, p)
		time.Sleep(350 * time.Millisecond)
		if missed := wait(t, p); missed != 2 {
			t.Errorf("missed %d, want 2", missed)
		}
		start := time.Now()
		wait(t, p)
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("the next came after %v, not at its deadline", took)
		}
	})
}

func TestSetFPSTakesEffectAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(0.01)
		wait(t, p)
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			if err := p.SetFPS(50); err != nil {
				t.Error(err)
			}
		}()
		wait(t, p)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		start = time.Now()
		for range 50 {
			wait(t, p)
		}
		if took := time.Since(start); took > time.Second || took < 980*time.Millisecond {
			t.Errorf("50 took %v", took)
		}
		if err := p.SetFPS(1); err != nil {
			t.Error(err)
		}
		start = time.Now()
		wait(t, p)
		if took := time.Since(start); took > time.Second || took < 980*time.Millisecond {
			t.Errorf("slower: took %v", took)
		}
	})
}

func TestInfiniteRateNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(math.Inf(1))
		start := time.Now()
		for range 1000 {
			wait(t, p)
		}
		if time.Since(start) != 0 {
			t.Error("waited")
		}
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(0.001)
		wait(t, p)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Wait(ctx, errClosed); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		go p.Close()
		if _, err := p.Wait(context.Background(), errClosed); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		p.Close()
	})
}

func TestGateKeepsTheRateOfIrregularPictures(t *testing.T) {
	for _, c := range []struct{ in, out, want float64 }{{30, 10, 10}, {30, 7, 7}, {30, 29, 29}, {29.97, 30, 29.97}, {60, 0.5, 0.5}, {30, math.Inf(1), 30}, {25, 20, 20}} {
		var g pace.Gate
		now, passed := time.Now(), 0.0
		const seconds = 200
		for i := range int(c.in * seconds) {
			jitter := time.Duration(i*7919%5-2) * time.Millisecond
			if g.Pass(now.Add(time.Duration(float64(i)/c.in*float64(time.Second))+jitter), pace.Period(c.out)) {
				passed++
			}
		}
		if want := c.want * seconds; math.Abs(passed-want) > 1+want/100 {
			t.Errorf("%g thinned to %g: %g in %d s, want %g", c.in, c.out, passed, seconds, want)
		}
	}
}

func TestGateSurvivesClockSteps(t *testing.T) {
	var g pace.Gate
	at := time.Unix(1000, 0) // no monotonic clock, as a board's before it has the time
	for range 10 {
		at = at.Add(100 * time.Millisecond)
		g.Pass(at, time.Second)
	}
	for _, jump := range []time.Duration{50 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour, -time.Minute} {
		at = at.Add(jump)
		passed := 0
		for range 50 {
			at = at.Add(100 * time.Millisecond)
			if g.Pass(at, time.Second) {
				passed++
			}
		}
		if passed < 4 || passed > 6 {
			t.Errorf("%d in 5 s after %v", passed, jump)
		}
	}
}

func TestConversionsClamp(t *testing.T) {
	for fps, want := range map[float64]time.Duration{
		1e-300: pace.Longest, 0: pace.Longest, -5: pace.Longest, math.NaN(): pace.Longest, 1e-7: pace.Longest, 0.5: 2 * time.Second,
		1e300: 1, math.Inf(1): 0, math.Inf(-1): pace.Longest,
	} {
		if got := pace.Period(fps); got != want {
			t.Errorf("%g a second: %v, want %v", fps, got, want)
		}
	}
	for seconds, want := range map[float64]time.Duration{1.5: 1500 * time.Millisecond, 1e300: math.MaxInt64, -1e300: math.MinInt64, math.Inf(1): math.MaxInt64, math.NaN(): 0} {
		if got := pace.Duration(seconds); got != want {
			t.Errorf("%g s: %v, want %v", seconds, got, want)
		}
	}
}
