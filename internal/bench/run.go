package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/pprof"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// Names of the stages, in order. Rest is what the process does outside of the others: wake-ups, the ring, timers, the garbage collector.
const (
	Capture = "capture"
	Encode  = "encode"
	Publish = "publish"
	Rest    = "rest"
	Deliver = "deliver"
)

// Config describes a run. Start is required, and one of Duration and Frames; all else may be zero.
type Config struct {
	// Open opens the source for the part in which stages run alone, and NewEncoder creates its encoder. nil omits that
	// part, and with it all allocations and limits except delivery's (standard input cannot be opened twice).
	Open       func() (frame.Source, error)
	NewEncoder func() (frame.Encoder, error)
	SlotSize   int // the largest JPEG in bytes; for Open's part
	// Start opens the source again and runs it into a ring; it calls instrument with the pipeline's Config before that is used.
	Start func(instrument func(*pipeline.Config)) (Feed, error)
	// Settings are those with which the source was opened.
	Settings pipeline.Settings
	// Clients is the number of viewers; 0 for none. Linux only.
	Clients int
	// Duration is how long everything is measured; otherwise as long as that many Frames should take at the rate seen without viewers.
	Duration time.Duration
	Frames   int
	// Progress is called about once per second with the completed share of the run (0 to 1) and the current activity. It may be nil.
	Progress func(done float64, doing string)
	// Profile, if not nil, receives a pprof CPU profile of the time with viewers.
	Profile io.Writer
}

// Feed is a running pipeline; the benchmark closes it.
type Feed interface {
	stream.Feed
	Close()
}

const (
	firstFrameWithin = 15 * time.Second
	settle           = 500 * time.Millisecond // before a window: buffers grow, viewers' windows open
)

type run struct {
	Config
	reporting bool // Progress is set
	meter     *meter
	result    *Result
	feed      Feed
	alone     *alone

	bareWindow, window window // without viewers, with them
	bareUse, use       spent  // of this process in them
	pictures           [][]byte
	delivered          delivered
	served, bare       served // the server alone with the same pictures and viewers, and the bare loop
}

// delivered is what viewers received.
type delivered struct {
	frames, skipped int
	bytes           int64
	seconds         float64
	arrivals        []arrival
}

// served is a server's usage per delivered frame, publishing included.
type served struct{ micros, allocs float64 }

// arrival is the arrival of a frame's last byte at one viewer.
type arrival struct {
	sequence uint64
	at       time.Time
}

// Run measures. It takes Duration and some seconds more.
func Run(ctx context.Context, c Config) (*Result, error) {
	if c.Duration <= 0 && c.Frames <= 0 {
		return nil, errors.New("bench: no duration or number of frames")
	}
	reporting := c.Progress != nil
	if !reporting {
		c.Progress = func(float64, string) {}
	}
	r := &run{Config: c, reporting: reporting, result: &Result{Began: time.Now(), Machine: ThisMachine()}}
	if c.Open != nil {
		if err := r.measureAlone(ctx); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if err := r.measureWhole(ctx); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if c.Clients > 0 {
		if err := r.measureServers(ctx); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	r.report()
	c.Progress(1, "done")
	return r.result, nil
}

func (r *run) measureAlone(ctx context.Context) error {
	source, err := r.Open()
	if err != nil {
		return err
	}
	defer source.Close()
	ctx, cancel := context.WithTimeout(ctx, firstFrameWithin)
	defer cancel()
	r.alone, err = measureAlone(ctx, source, r.NewEncoder, r.SlotSize, r.Settings.Quality, func(done float64) { r.Progress(0.2*done, "each stage alone") })
	return err
}

func (r *run) measureWhole(ctx context.Context) error {
	most := r.Duration.Seconds()
	if r.Frames > 0 {
		most = float64(r.Frames) // a frame per second is the slowest rate to wait for
	}
	r.meter = newMeter(int(min(1<<18, (most+10)*1.2*max(r.Settings.FPS, 30))), r.Open == nil)
	feed, err := r.Start(r.meter.instrument)
	if err != nil {
		return err
	}
	r.feed = feed
	defer feed.Close()
	defer r.meter.watch()()
	defer feed.Watch()()
	select {
	case <-r.meter.first:
		r.result.FirstFrame = float64(time.Since(r.meter.began)) / 1e6
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(firstFrameWithin):
		return fmt.Errorf("no frame within %v: %s", firstFrameWithin, feed.State().Reason)
	}
	r.Progress(0.2, "without viewers")
	quiet := r.Duration / 3
	if r.Duration == 0 {
		quiet = time.Duration(float64(r.Frames) / r.Settings.FPS / 3 * float64(time.Second))
	}
	quiet = min(max(quiet, 500*time.Millisecond), 3*time.Second)
	if err := pause(ctx, settle); err != nil {
		return err
	}
	if r.bareWindow, r.bareUse, err = r.measure(ctx, quiet, 0.25, 0.35, "without viewers"); err != nil {
		return err
	}
	r.keepPictures()
	r.window, r.use = r.bareWindow, r.bareUse
	duration := r.Duration
	if r.Frames > 0 {
		n := len(r.publishedIn(r.bareWindow))
		if n == 0 {
			return fmt.Errorf("no frame in %v: %s", quiet, feed.State().Reason)
		}
		// A little more than needed.
		duration = time.Duration(float64(r.Frames+1) / (float64(n) / r.bareWindow.seconds()) * 1.02 * float64(time.Second))
	}
	if r.Clients > 0 {
		err = r.measureDelivery(ctx, duration)
	} else {
		err = r.profiled(func() (err error) {
			r.window, r.use, err = r.measure(ctx, duration, 0.35, 0.95, "without viewers")
			return err
		})
		r.bareWindow, r.bareUse = r.window, r.use
	}
	r.result.RSS = usage.Resident(os.Getpid())
	r.describe(feed.State())
	return err
}

// publishedIn may be called while frames come in.
func (r *run) publishedIn(w window) []mark {
	var marks []mark
	r.meter.locked(func() { marks = w.of(&r.meter.published) })
	return marks
}

// measure records this process's usage for d.
func (r *run) measure(ctx context.Context, d time.Duration, from, to float64, doing string) (window, spent, error) {
	began, before := time.Now(), spentNow()
	err := r.progress(ctx, d, from, to, doing)
	use := before.since()
	return window{began, time.Now()}, use, err
}

// progress waits for d. It reports rarely, and only if requested: its cost counts as the stages' rest.
func (r *run) progress(ctx context.Context, d time.Duration, from, to float64, doing string) error {
	began := time.Now()
	for {
		left := d - time.Since(began)
		if left <= 0 {
			return nil
		}
		step := left
		if r.reporting {
			r.Progress(from+(to-from)*float64(d-left)/float64(d), doing)
			step = min(left, time.Second)
		}
		if err := pause(ctx, step); err != nil {
			return err
		}
	}
}

func (r *run) profiled(f func() error) error {
	if r.Profile == nil {
		return f()
	}
	if err := pprof.StartCPUProfile(r.Profile); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// keepPictures copies a few pictures for the bare loop.
func (r *run) keepPictures() {
	if r.Clients == 0 {
		return
	}
	reader := r.feed.Ring().NewReader()
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for range 8 {
		var f ring.Frame
		if reader.Next(ctx, &f) != nil {
			return
		}
		r.pictures = append(r.pictures, append([]byte(nil), f.JPEG()...))
		f.Release()
	}
}

func (r *run) describe(s pipeline.State) {
	r.result.Setup = Setup{
		Source: s.Source.Name, Kind: s.Source.Kind, Encoder: s.Encoder, Width: s.Newest.Width, Height: s.Newest.Height,
		FPS: s.Settings.FPS, Quality: s.Settings.Quality, Workers: s.Workers, Clients: r.Clients,
	}
	r.result.Dropped = s.Dropped.Encoder + s.Dropped.Ring + s.Dropped.Broken
}

// pace returns the rate at which other servers must publish for comparison: the measured one, rounded.
func (r *run) pace() int {
	return int(max(1, math.Round(float64(len(r.window.of(&r.meter.published)))/r.window.seconds())))
}
