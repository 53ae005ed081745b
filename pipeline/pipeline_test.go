package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// camera is a raw source with its own clock: a numbered picture per interval.
type camera struct {
	interval time.Duration
	next     time.Time
	number   uint64
	closed   chan struct{}
	fail     func(number uint64) error // nil: never
	released atomic.Int64
	read     atomic.Int64
	gone     atomic.Bool
}

func newCamera(interval time.Duration) *camera {
	return &camera{interval: interval, closed: make(chan struct{})}
}

func (c *camera) Info() frame.Info {
	return frame.Info{Name: "fake", Kind: "camera", Width: 8, Height: 8, FPS: float64(time.Second) / float64(c.interval)}
}

func (c *camera) Close() error {
	if !c.gone.Swap(true) {
		close(c.closed)
	}
	return nil
}
func (c *camera) ReleaseFrame(*frame.Frame) { c.released.Add(1) }

func (c *camera) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if c.next.IsZero() {
		c.next = time.Now()
	}
	if late := time.Since(c.next); late > c.interval { // frames not fetched in time are lost
		lost := int64(late / c.interval)
		c.number += uint64(lost)
		c.next = c.next.Add(time.Duration(lost) * c.interval)
	}
	select {
	case <-time.After(time.Until(c.next)):
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return frame.ErrGone
	}
	c.number++
	if c.fail != nil {
		if err := c.fail(c.number); err != nil {
			return err
		}
	}
	*f = frame.Frame{Format: frame.Grey, Width: 8, Height: 8, Captured: c.next, Sequence: c.number, Owner: c}
	c.next = c.next.Add(c.interval)
	c.read.Add(1)
	return nil
}

// encoder writes the frame's number after the time that took returns.
type encoder struct {
	took func(number uint64) time.Duration
	fail func(number uint64) error
}

func (e *encoder) Name() string { return "fake encoder" }
func (e *encoder) Close() error { return nil }
func (e *encoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	if e.took != nil {
		time.Sleep(e.took(f.Sequence))
	}
	if e.fail != nil {
		if err := e.fail(f.Sequence); err != nil {
			return 0, err
		}
	}
	binary.BigEndian.PutUint64(dst, f.Sequence)
	return 8 + quality, nil
}

type setup struct {
	open     func(context.Context, pipeline.Settings) (frame.Source, error)
	encoder  *encoder
	workers  int
	fps      float64
	final    bool
	noSignal func(string, int, int) ([]byte, error)
}

func start(t *testing.T, s setup) *pipeline.Pipeline {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if s.encoder == nil {
		s.encoder = &encoder{}
	}
	if s.fps == 0 {
		s.fps = 30
	}
	p, err := pipeline.New(pipeline.Config{
		Open: s.open, Ring: r, Workers: s.workers, EndIsFinal: s.final, NoSignal: s.noSignal,
		NewEncoder: func() (frame.Encoder, error) { return s.encoder, nil },
		Settings:   pipeline.Settings{Quality: 80, FPS: s.fps, Width: 8, Height: 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		p.Close()
		if n := r.Free(); n < 15 { // all except the newest
			t.Errorf("%d of 16 slots free after Close", n)
		}
		r.Close()
	})
	return p
}

func always(c *camera) func(context.Context, pipeline.Settings) (frame.Source, error) {
	return func(context.Context, pipeline.Settings) (frame.Source, error) { return c, nil }
}

// collect reads n frames and returns their numbers.
func collect(t *testing.T, p *pipeline.Pipeline, n int) []uint64 {
	t.Helper()
	reader := p.Ring().NewReader()
	defer reader.Close()
	var numbers []uint64
	for range n {
		var f ring.Frame
		if err := reader.Next(t.Context(), &f); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, binary.BigEndian.Uint64(f.JPEG()))
		if f.Meta().Picture.Sequence != numbers[len(numbers)-1] {
			t.Errorf("frame %d carries the bytes of %d", f.Meta().Picture.Sequence, numbers[len(numbers)-1])
		}
		f.Release()
	}
	return numbers
}

func TestRateIsAccurateToOnePercent(t *testing.T) {
	for _, c := range []struct {
		source, want float64
	}{{100, 30}, {30, 30}, {30.5, 30}, {60, 25}, {31, 30}, {30, 29}, {30, 0.5}, {120, 7.5}, {25, 25}} {
		t.Run(fmt.Sprintf("%v to %v", c.source, c.want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := start(t, setup{open: always(newCamera(time.Duration(float64(time.Second) / c.source))), fps: c.want})
				defer p.Watch()()
				time.Sleep(5*time.Second + time.Millisecond)
				before := p.State().Published
				time.Sleep(20 * time.Second)
				got := float64(p.State().Published-before) / 20
				if math.Abs(got-c.want) > c.want*0.01+0.0001 {
					t.Errorf("%.3f fps", got)
				}
			})
		})
	}
}

func TestSlowerSourceCausesNoBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(100 * time.Millisecond)
		p := start(t, setup{open: always(c), fps: 30})
		defer p.Watch()()
		time.Sleep(10 * time.Second)
		// Frames arrive exactly at the second's boundaries, and each may be counted in either.
		if s := p.State(); s.Dropped.Rate != 0 || math.Abs(s.FPS-10) > 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFramesStayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(n uint64) time.Duration { // every third frame takes three frame times
			if n%3 == 0 {
				return 30 * time.Millisecond
			}
			return 2 * time.Millisecond
		}
		p := start(t, setup{open: always(newCamera(10 * time.Millisecond)), fps: 100, workers: 4, encoder: &encoder{took: took}})
		defer p.Watch()()
		numbers := collect(t, p, 100)
		for i := 1; i < len(numbers); i++ {
			if numbers[i] <= numbers[i-1] {
				t.Fatalf("frame %d after %d", numbers[i], numbers[i-1])
			}
		}
		if s := p.State(); s.Dropped.Encoder != 0 {
			t.Errorf("dropped %+v", s.Dropped)
		}
	})
}

func TestFrameIsPublishedAsSoonAsItIsEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(time.Second)
		p := start(t, setup{open: always(c), workers: 4, encoder: &encoder{took: func(uint64) time.Duration { return 5 * time.Millisecond }}})
		defer p.Watch()()
		reader := p.Ring().NewReader()
		defer reader.Close()
		for range 3 {
			var f ring.Frame
			if err := reader.Next(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
			if age := time.Since(f.Meta().Captured); age != 5*time.Millisecond {
				t.Errorf("published %v after capture", age)
			}
			f.Release()
		}
	})
}

func TestSlowEncoderGetsTheNewestFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(10 * time.Millisecond)
		p := start(t, setup{open: always(c), fps: 100, workers: 2, encoder: &encoder{took: func(uint64) time.Duration { return 95 * time.Millisecond }}})
		defer p.Watch()()
		reader := p.Ring().NewReader()
		defer reader.Close()
		var worst time.Duration
		for range 50 {
			var f ring.Frame
			if err := reader.Next(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
			worst = max(worst, time.Since(f.Meta().Captured))
			f.Release()
		}
		s := p.State()
		if worst > 150*time.Millisecond { // one encode, and a short wait in a queue that is kept fresh
			t.Errorf("a frame was %v old", worst)
		}
		if inside := s.Captured - s.Published - s.Dropped.Encoder; s.Dropped.Encoder < 150 || inside > 7 { // two being encoded, two done, two waiting
			t.Errorf("counts do not add up: %+v", s)
		}
	})
}

func TestEncoderIdlesAndWakesWithinAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: always(newCamera(10 * time.Millisecond)), fps: 50})
		time.Sleep(5*time.Second + time.Millisecond)
		if s := p.State(); !s.Idle || s.Published < 4 || s.Published > 7 {
			t.Errorf("idle: %+v", s)
		}
		began := time.Now()
		leave := p.Watch()
		reader := p.Ring().NewReader()
		defer reader.Close()
		var f ring.Frame
		for f.Held() == false || f.Meta().Captured.Before(began) {
			f.Release()
			if err := reader.Next(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
		}
		f.Release()
		if woke := time.Since(began); woke > 20*time.Millisecond {
			t.Errorf("first frame %v after Watch", woke)
		}
		time.Sleep(2*time.Second + time.Millisecond)
		if s := p.State(); s.Idle || math.Abs(s.FPS-50) > 1 {
			t.Errorf("with a viewer: idle %v, %v fps", s.Idle, s.FPS)
		}
		leave()
		leave()
		time.Sleep(5 * time.Second)
		if s := p.State(); !s.Idle || s.FPS > 2 {
			t.Errorf("after it left: idle %v, %v fps", s.Idle, s.FPS)
		}
	})
}

func TestSnapshotIsFreshAndShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: always(newCamera(10 * time.Millisecond)), fps: 100})
		time.Sleep(3 * time.Second)
		before := p.State().Published
		began := time.Now()
		results := make(chan error)
		for range 20 {
			go func() {
				var f ring.Frame
				err := p.Snapshot(t.Context(), began, &f)
				if err == nil && f.Meta().Captured.Before(began) {
					err = errors.New("older than the request")
				}
				f.Release()
				results <- err
			}()
		}
		for range 20 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := p.State().Published - before; n > 2 {
			t.Errorf("%d encodes for 20 pollers", n)
		}
		var f ring.Frame
		if err := p.Snapshot(t.Context(), time.Now().Add(-time.Second), &f); err != nil {
			t.Error(err)
		}
		f.Release()
	})
}

func TestLostSourceIsReportedShownAndReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		open := func(context.Context, pipeline.Settings) (frame.Source, error) {
			opened++
			if opened == 2 || opened == 3 {
				return nil, fmt.Errorf("open the camera: unplugged: %w", frame.ErrGone)
			}
			c := newCamera(10 * time.Millisecond)
			if opened == 1 {
				c.fail = func(n uint64) error {
					if n == 100 {
						return fmt.Errorf("read: %w", frame.ErrGone)
					}
					return nil
				}
			}
			return c, nil
		}
		p := start(t, setup{open: open, noSignal: func(reason string, w, h int) ([]byte, error) { return []byte("no signal: " + reason), nil }})
		defer p.Watch()()
		reader := p.Ring().NewReader()
		defer reader.Close()
		substitutes, after := 0, 0
		for after < 10 {
			var f ring.Frame
			if err := reader.Next(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
			if f.Meta().Substitute {
				substitutes++
				var snap ring.Frame
				if err := p.Snapshot(t.Context(), time.Now(), &snap); !errors.Is(err, pipeline.ErrNoSignal) && opened < 4 {
					t.Errorf("snapshot while away: %v", err)
				}
				snap.Release()
			} else if substitutes > 0 {
				after++
			}
			f.Release()
		}
		if s := p.State(); opened != 4 || s.Restarts != 3 || substitutes == 0 || !s.Signal {
			t.Errorf("opened %d times, %d substitutes, %+v", opened, substitutes, s)
		}
	})
}

// deaf is a source that neither delivers nor ends.
type deaf struct{ camera }

func (d *deaf) ReadFrame(context.Context, *frame.Frame) error { select {} }
func (d *deaf) Close() error                                  { select {} }
func (d *deaf) SetFPS(float64) error                          { select {} }

func TestHungSourceIsAbandoned(t *testing.T) {
	// Real time: an abandoned source never ends, which a synctest bubble would not allow.
	opened := make(chan struct{}, 8)
	r, err := ring.New(ring.Config{Slots: 4, SlotSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := pipeline.New(pipeline.Config{
		Open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			opened <- struct{}{}
			return &deaf{*newCamera(10 * time.Millisecond)}, nil
		},
		NewEncoder: func() (frame.Encoder, error) { return &encoder{}, nil }, Workers: 1, Ring: r,
		Settings: pipeline.Settings{Quality: 80, FPS: 200, Width: 8, Height: 8}, StallTimeout: 50 * time.Millisecond, IdleFPS: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	<-opened
	<-opened // reopened by the watchdog
	began := time.Now()
	p.Close()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestEndIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(10 * time.Millisecond)
		c.fail = func(n uint64) error {
			if n > 20 {
				return fmt.Errorf("file: %w", frame.ErrEnd)
			}
			return nil
		}
		p := start(t, setup{open: always(c), fps: 100, final: true, encoder: &encoder{took: func(uint64) time.Duration { return 15 * time.Millisecond }}, workers: 2})
		leave := p.Watch()
		defer leave()
		<-p.Done()
		if err := p.Err(); !errors.Is(err, frame.ErrEnd) {
			t.Error(err)
		}
		if s := p.State(); s.Published != 20 {
			t.Errorf("%d of 20 frames were published: %+v", s.Published, s.Dropped)
		}
		if c.read.Load() != c.released.Load() {
			t.Errorf("%d frames read, %d released", c.read.Load(), c.released.Load())
		}
	})
}

type stiller struct{ *camera }

func (s stiller) StillSize() frame.Size { return frame.Size{Width: 16, Height: 16} }
func (s stiller) Still(_ context.Context, dst []byte, p *frame.Picture) error {
	p.Size = copy(dst, "still")
	return nil
}

// A still requested while the source is being opened for the first time waits for it, as a snapshot does.
func TestStillWaitsForTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(10 * time.Millisecond)
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			time.Sleep(time.Second)
			return stiller{c}, nil
		}})
		var picture frame.Picture
		if got, err := p.Still(t.Context(), nil, &picture); err != nil || string(got) != "still" {
			t.Errorf("%q, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		never := start(t, setup{open: func(ctx context.Context, _ pipeline.Settings) (frame.Source, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if _, err := never.Still(ctx, nil, &picture); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled before the start: %v", err)
		}
	})
}

// An error that only a new process can resolve is not retried.
func TestStuckIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(10 * time.Millisecond)
		c.fail = func(n uint64) error {
			if n > 20 {
				return fmt.Errorf("camera: %w: %w", frame.ErrGone, frame.ErrStuck)
			}
			return nil
		}
		p := start(t, setup{open: always(c), fps: 100})
		leave := p.Watch()
		defer leave()
		<-p.Done()
		if err := p.Err(); !errors.Is(err, frame.ErrStuck) {
			t.Error(err)
		}
		if s := p.State(); s.Signal || s.Restarts != 0 {
			t.Errorf("signal %v, reopened %d times", s.Signal, s.Restarts)
		}
	})
}

func TestBrokenPicturesAreCountedAndSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(10 * time.Millisecond)
		c.fail = func(n uint64) error {
			if n%10 == 0 {
				c.next = c.next.Add(c.interval)
				return fmt.Errorf("picture: %w", frame.ErrBadPicture)
			}
			return nil
		}
		e := &encoder{fail: func(n uint64) error {
			if n%10 == 5 {
				return errors.New("encoder failed")
			}
			return nil
		}}
		p := start(t, setup{open: always(c), fps: 100, encoder: e})
		defer p.Watch()()
		time.Sleep(10 * time.Second)
		if s := p.State(); s.Dropped.Broken < 190 || s.Dropped.Broken > 210 || s.Dropped.Missed != 0 || math.Abs(s.FPS-80) > 3 || s.Restarts != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestChange(t *testing.T) {
	ptr := func(n int) *int { return &n }
	rate := func(f float64) *float64 { return &f }
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: always(newCamera(10 * time.Millisecond)), fps: 30})
		defer p.Watch()()
		time.Sleep(time.Second)
		for name, c := range map[string]pipeline.Change{
			"quality": {Quality: ptr(0)}, "quality 101": {Quality: ptr(101)}, "fps": {FPS: rate(0)}, "fps huge": {FPS: rate(1e9)}, "fps nan": {FPS: rate(math.NaN())},
			"rotate": {Rotate: ptr(45)}, "no transform": {Rotate: ptr(90)}, "width": {Width: ptr(0)}, "other size": {Width: ptr(16)},
		} {
			c.Quality = orElse(c.Quality, ptr(33))
			if s, err := p.Change(t.Context(), c); !isSettingError(err) || s.Quality != 80 {
				t.Errorf("%s: %+v %v", name, s, err)
			}
		}
		s, err := p.Change(t.Context(), pipeline.Change{Quality: ptr(42), FPS: rate(10)})
		if err != nil || s.Quality != 42 || s.FPS != 10 || p.State().Settings != s {
			t.Errorf("%+v %v", s, err)
		}
		time.Sleep(3 * time.Second)
		// A frame at the second's boundary may be counted on either side.
		if st := p.State(); math.Abs(st.FPS-10) > 1 || st.Newest.Quality != 42 || st.Newest.Bytes != 50 {
			t.Errorf("%+v", st)
		}
	})
}

func orElse(a, b *int) *int {
	if a != nil {
		return a
	}
	return b
}

func isSettingError(err error) bool {
	var e *pipeline.SettingError
	return errors.As(err, &e) && e.Reason != ""
}

func BenchmarkSteadyState(b *testing.B) {
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 4096})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	c := &flood{closed: make(chan struct{})}
	p, err := pipeline.New(pipeline.Config{
		Open:       func(context.Context, pipeline.Settings) (frame.Source, error) { return c, nil },
		NewEncoder: func() (frame.Encoder, error) { return &encoder{}, nil }, Ring: r, Workers: 2,
		Settings: pipeline.Settings{Quality: 80, FPS: 240, Width: 8, Height: 8},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Watch()()
	p.Start()
	reader := r.NewReader()
	b.ReportAllocs()
	var f ring.Frame
	for b.Loop() {
		if err := reader.Next(b.Context(), &f); err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
	b.StopTimer()
	p.Close()
}

// flood delivers frames with timestamps 1/240 s apart as fast as they are read.
type flood struct {
	at     time.Time
	number uint64
	closed chan struct{}
}

func (s *flood) Info() frame.Info { return frame.Info{Name: "flood", Width: 8, Height: 8} }
func (s *flood) Close() error     { return nil }
func (s *flood) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if s.at.IsZero() {
		s.at = time.Now()
	}
	s.at = s.at.Add(time.Second / 240)
	s.number++
	*f = frame.Frame{Format: frame.Grey, Width: 8, Height: 8, Captured: s.at, Sequence: s.number}
	return ctx.Err()
}
