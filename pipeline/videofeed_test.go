package pipeline_test

import (
	"context"
	"encoding/binary"
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
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
)

var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4} // 64x48
	testPPS = []byte{0x68, 0xce, 0x3c, 0x80}
)

// unit fills u with a numbered unit.
func unit(u *frame.AccessUnit, key bool, number uint64) {
	slice := binary.BigEndian.AppendUint64([]byte{0x41}, number)
	u.NALs = u.NALs[:0]
	if key {
		slice[0] = 0x65
		u.NALs = append(u.NALs, testSPS, testPPS)
	}
	u.NALs = append(u.NALs, slice)
	u.Key = key
}

// videoEncoder writes the picture's number from the frame's first pixels.
type videoEncoder struct {
	made *atomic.Int64 // open encoders
	took time.Duration
	fail func(number uint64) error

	mu     sync.Mutex
	config frame.VideoConfig
	began  bool
	closed bool
}

func (e *videoEncoder) Name() string { return "fake H.264" }

func (e *videoEncoder) Configure(c frame.VideoConfig) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.config = c
	return nil
}

func (e *videoEncoder) Encode(f *frame.Frame, key bool, u *frame.AccessUnit) error {
	number := binary.BigEndian.Uint64(f.Planes[0])
	time.Sleep(e.took)
	if e.fail != nil {
		if err := e.fail(number); err != nil {
			return err
		}
	}
	if number != f.Sequence {
		return fmt.Errorf("picture %d has the pixels of %d", f.Sequence, number)
	}
	unit(u, key || !e.began, number)
	e.began = true
	u.Captured, u.Sequence = f.Captured, f.Sequence
	return nil
}

func (e *videoEncoder) Close() error {
	if !e.closed {
		e.closed = true
		e.made.Add(-1)
	}
	return nil
}

// sharp is a camera that draws the picture's number into the pixels.
type sharp struct{ *camera }

func (c sharp) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if err := c.camera.ReadFrame(ctx, f); err != nil {
		return err
	}
	f.Planes[0], f.Strides[0] = make([]byte, 64), 8
	binary.BigEndian.PutUint64(f.Planes[0], f.Sequence)
	return nil
}

// videoSetup is a pipeline with H.264.
type videoSetup struct {
	source  frame.Source
	open    func(context.Context, pipeline.Settings) (frame.Source, error) // nil: source
	encoder *videoEncoder                                                  // nil: one without faults
	missing error
	jpeg    time.Duration // encoding time of a JPEG
	// Set by start.
	open64  atomic.Int64
	log     *video.Log
	last    atomic.Pointer[videoEncoder]
	decoded atomic.Int64
}

func (s *videoSetup) start(t *testing.T) *pipeline.Pipeline {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if s.log, err = video.New(video.Config{}); err != nil {
		t.Fatal(err)
	}
	if s.open == nil {
		s.open = func(context.Context, pipeline.Settings) (frame.Source, error) { return s.source, nil }
	}
	p, err := pipeline.New(pipeline.Config{
		Open: s.open, Ring: r, Workers: 2,
		NewEncoder: func() (frame.Encoder, error) {
			return &encoder{took: func(uint64) time.Duration { return s.jpeg }}, nil
		},
		Settings: pipeline.Settings{Quality: 80, FPS: 30, Width: 8, Height: 8},
		Video: &pipeline.VideoConfig{
			Log: s.log,
			NewEncoder: func(c frame.VideoConfig) (frame.VideoEncoder, error) {
				if s.missing != nil {
					return nil, s.missing
				}
				e := &videoEncoder{made: &s.open64, config: c}
				if s.encoder != nil {
					e.took, e.fail = s.encoder.took, s.encoder.fail
				}
				s.open64.Add(1)
				s.last.Store(e)
				return e, nil
			},
			DecodeJPEG: func(jpeg []byte) (*frame.Frame, error) {
				s.decoded.Add(1)
				f, err := frame.Alloc(frame.Grey, 8, 8)
				if err == nil {
					copy(f.Planes[0], jpeg[:8])
				}
				return f, err
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		p.Close()
		if n := s.open64.Load(); n != 0 {
			t.Errorf("%d encoders are open after Close", n)
		}
		if n := r.Free(); n < 15 {
			t.Errorf("%d of 16 slots free after Close", n)
		}
		r.Close()
		s.log.Close()
	})
	return p
}

// take reads n units and returns their numbers; the first must be a key frame, and none may be skipped.
func take(t *testing.T, r *video.Reader, n int) (numbers []uint64, keys []int) {
	t.Helper()
	return takeEach(t, r, n, func(i int, u *video.Unit) {
		if i == 0 && !u.Meta().Key {
			t.Error("the first unit is not a key frame")
		}
		if i > 0 && u.Skipped > 0 {
			t.Errorf("%d units skipped", u.Skipped)
		}
	})
}

func TestVideoIsEncodedOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}, jpeg: 3 * time.Millisecond}
		p := s.start(t)
		defer p.Watch()()
		time.Sleep(3 * time.Second)
		if st := p.State(); st.Video.Units != 0 || s.open64.Load() != 0 || !st.Video.Available || st.Video.Encoder != "fake H.264" {
			t.Fatalf("%d encoders without H.264 readers: %+v", s.open64.Load(), st.Video)
		}
		before := p.State().Published
		for round := range 3 {
			began := time.Now()
			leave := p.Video().Watch()
			r := p.Video().Log().NewReader(0)
			numbers, keys := take(t, r, 1)
			if took := time.Since(began); took > time.Second/30+5*time.Millisecond {
				t.Errorf("round %d: the first unit took %v", round, took)
			}
			more, _ := take2(t, r, 60)
			numbers = append(numbers, more...)
			for i := 1; i < len(numbers); i++ {
				if numbers[i] != numbers[i-1]+1 {
					t.Fatalf("round %d: picture %d after %d", round, numbers[i], numbers[i-1])
				}
			}
			if len(keys) != 1 {
				t.Errorf("round %d: key frames %v", round, keys)
			}
			r.Close()
			leave()
			leave()
			time.Sleep(100 * time.Millisecond)
			units := p.State().Video.Units
			time.Sleep(2 * time.Second)
			if st := p.State().Video; st.Units != units || s.open64.Load() != 0 || st.Takers != 0 {
				t.Errorf("round %d: still encoding without readers: %d encoders, %+v", round, s.open64.Load(), st)
			}
		}
		seconds := 3 * (61.0/30 + 2.1)
		if got := float64(p.State().Published - before); got < (seconds-0.3)*30 || got > (seconds+0.3)*30 {
			t.Errorf("%v JPEGs in %.1f s at the same time", got, seconds)
		}
	})
}

// take2 is take after a first unit.
func take2(t *testing.T, r *video.Reader, n int) (numbers []uint64, keys []int) {
	t.Helper()
	return takeEach(t, r, n, func(int, *video.Unit) {})
}

// takeEach reads n units, checks each, and returns their numbers and which are key frames.
func takeEach(t *testing.T, r *video.Reader, n int, check func(i int, u *video.Unit)) (numbers []uint64, keys []int) {
	t.Helper()
	for i := range n {
		var u video.Unit
		if err := r.Next(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		check(i, &u)
		if u.Meta().Key {
			keys = append(keys, i)
		}
		for nal := range u.NALs {
			if nal[0] == 0x65 || nal[0] == 0x41 {
				numbers = append(numbers, binary.BigEndian.Uint64(nal[1:]))
			}
		}
		u.Release()
	}
	return numbers, keys
}

func TestVideoKeyFramesForNewReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}}
		p := s.start(t)
		defer p.Video().Watch()()
		first := p.Video().Log().NewReader(0)
		defer first.Close()
		take(t, first, 40)
		began := time.Now()
		for range 8 { // simultaneous readers share a key frame
			r := p.Video().Log().NewReader(0)
			defer r.Close()
			take(t, r, 1)
		}
		if took := time.Since(began); took > 2*time.Second/30 {
			t.Errorf("the first units took %v", took)
		}
		if keys := p.State().Video.Keys; keys != 2 {
			t.Errorf("%d key frames, want 2", keys)
		}
		for range 6 { // consecutive ones: at most two per second
			time.Sleep(400 * time.Millisecond)
			r := p.Video().Log().NewReader(time.Nanosecond)
			defer r.Close()
			take(t, r, 1)
		}
		if took, keys := time.Since(began).Seconds(), p.State().Video.Keys; float64(keys-2) > 2*took+1 {
			t.Errorf("%d key frames in %.1f s", keys-2, took)
		}
	})
}

func TestVideoSettingsReachTheEncoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}}
		p := s.start(t)
		defer p.Video().Watch()()
		time.Sleep(time.Second)
		e := s.last.Load()
		configured := func() frame.VideoConfig {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.config
		}
		if c := configured(); c.Bitrate != 2_000_000 || c.GOP != 2*time.Second || c.FPS != 30 {
			t.Errorf("at first: %+v", c)
		}
		bitrate, gop, fps := 800_000, 1.5, 12.0
		got, err := p.Change(t.Context(), pipeline.Change{Bitrate: &bitrate, GOP: &gop, FPS: &fps})
		if err != nil || got.Bitrate != bitrate || got.GOP != gop {
			t.Fatalf("%+v, %v", got, err)
		}
		time.Sleep(time.Second)
		if c := configured(); c != (frame.VideoConfig{Bitrate: bitrate, FPS: fps, GOP: 1500 * time.Millisecond}) {
			t.Errorf("then: %+v", c)
		}
		if s.last.Load() != e {
			t.Error("the encoder was recreated")
		}
		for _, bad := range []pipeline.Change{{Bitrate: ptr(9999)}, {Bitrate: ptr(-1)}, {Bitrate: ptr(100_000_001)}, {GOP: ptr(0.0)}, {GOP: ptr(61.0)}} {
			var refused *pipeline.SettingError
			if _, err := p.Change(t.Context(), bad); !errors.As(err, &refused) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestSlowVideoEncoderDropsNoJPEGs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}, encoder: &videoEncoder{took: 100 * time.Millisecond}}
		p := s.start(t)
		defer p.Video().Watch()()
		time.Sleep(10 * time.Second)
		st := p.State()
		if st.Video.Units < 95 || st.Video.Units > 101 || st.Video.Dropped < 190 {
			t.Errorf("100 ms per frame: %+v", st.Video)
		}
		if st.Published < 295 || st.Dropped.Encoder != 0 {
			t.Errorf("JPEGs at the same time: %d published, %+v", st.Published, st.Dropped)
		}
	})
}

func TestVideoResumesWithAKeyFrameAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}, encoder: &videoEncoder{fail: func(n uint64) error {
			if n%50 == 49 {
				return errors.New("broken")
			}
			return nil
		}}}
		p := s.start(t)
		defer p.Video().Watch()()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		numbers, _ := take(t, r, 1)
		more, keys := take2(t, r, 200)
		numbers = append(numbers, more...)
		for i := 1; i < len(numbers); i++ {
			if numbers[i] != numbers[i-1]+1 && !contains(keys, i-1) {
				t.Errorf("picture %d after %d without a key frame", numbers[i], numbers[i-1])
			}
		}
		if st := p.State().Video; st.Failed < 3 {
			t.Errorf("%+v", st)
		}
	})
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func TestMissingVideoIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := errors.New("no library: install it")
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}, missing: missing}
		p := s.start(t)
		defer p.Watch()()
		if err := p.Video().Err(); err != nil {
			t.Errorf("before the source is open: %v", err)
		}
		time.Sleep(time.Second)
		if err := p.Video().Err(); !errors.Is(err, pipeline.ErrNoVideo) {
			t.Errorf("%v", err)
		}
		if st := p.State(); st.Video.Available || st.Video.Reason != missing.Error() || st.Published == 0 {
			t.Errorf("%+v", st.Video)
		}
	})
}

// When the source is reopened, the stream continues with a key frame.
func TestVideoContinuesWhenTheSourceIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s := &videoSetup{open: func(context.Context, pipeline.Settings) (frame.Source, error) {
			opened++
			c := newCamera(time.Second / 30)
			c.fail = func(n uint64) error {
				if n > 40 {
					return frame.ErrGone
				}
				return nil
			}
			return sharp{c}, nil
		}}
		p := s.start(t)
		defer p.Video().Watch()()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		numbers, _ := take(t, r, 1)
		more, keys := take2(t, r, 100)
		numbers = append(numbers, more...)
		for i := 1; i < len(numbers); i++ {
			if numbers[i] != numbers[i-1]+1 && !contains(keys, i-1) {
				t.Errorf("picture %d after %d without a key frame", numbers[i], numbers[i-1])
			}
		}
		if opened < 3 {
			t.Errorf("opened %d times", opened)
		}
	})
}

// ready is a source of JPEGs that consist of their number.
type ready struct{ *camera }

func (c ready) ReadFrame() {} // not a RawSource

func (c ready) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	var f frame.Frame
	if err := c.camera.ReadFrame(ctx, &f); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(dst, f.Sequence)
	*p = frame.Picture{Size: 8, Width: 8, Height: 8, Captured: f.Captured, Sequence: f.Sequence}
	return nil
}

func TestJPEGsAreDecodedForVideoOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: ready{newCamera(time.Second / 30)}}
		p := s.start(t)
		defer p.Watch()()
		time.Sleep(time.Second)
		if n := s.decoded.Load(); n != 0 {
			t.Errorf("%d pictures were decoded without readers", n)
		}
		leave := p.Video().Watch()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		numbers, _ := take(t, r, 1)
		more, _ := take2(t, r, 30)
		for i, n := range append(numbers, more...) {
			if n-numbers[0] > uint64(i)+1 {
				t.Errorf("unit %d is of picture %d, the first was of %d", i, n, numbers[0])
			}
		}
		leave()
	})
}

// coded is a source with its own H.264: a key frame every 50 units and on request.
type coded struct {
	ready
	mu        sync.Mutex
	requested bool
	asked     int
	config    frame.VideoConfig
	number    uint64
}

func (c *coded) RequestKey() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requested, c.asked = true, c.asked+1
	return nil
}

func (c *coded) ConfigureVideo(v frame.VideoConfig) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config = v
	return nil
}

func (c *coded) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	select {
	case <-time.After(time.Second / 30):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	unit(u, c.requested || c.number%50 == 0, c.number)
	c.requested = false
	u.Captured, u.Sequence = time.Now(), c.number
	return nil
}

func TestSourcesVideoIsPassedThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coded{ready: ready{newCamera(time.Second / 30)}}
		s := &videoSetup{source: c, missing: errors.New("no encoder")}
		p := s.start(t)
		defer p.Watch()()
		time.Sleep(time.Second)
		if st := p.State().Video; st.Units != 0 || !st.Available || st.Encoder != "pass-through" {
			t.Errorf("%+v", st)
		}
		for range 3 {
			leave := p.Video().Watch()
			r := p.Video().Log().NewReader(0)
			began := time.Now()
			numbers, _ := take(t, r, 1)
			if took := time.Since(began); took > time.Second {
				t.Errorf("the first unit took %v", took)
			}
			more, _ := take2(t, r, 40)
			for i, n := range append(numbers, more...) {
				if n != numbers[0]+uint64(i) {
					t.Fatalf("unit %d is %d, the first was %d", i, n, numbers[0])
				}
			}
			r.Close()
			leave()
			time.Sleep(time.Second)
		}
		bitrate := 500_000
		if _, err := p.Change(t.Context(), pipeline.Change{Bitrate: &bitrate}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.config.Bitrate != bitrate || c.asked == 0 {
			t.Errorf("%d key frames requested, configured with %+v", c.asked, c.config)
		}
	})
}

// switched is a source whose own encoder is switched on and off, and can fail.
type switched struct {
	coded
	on, refuses  bool
	ons, offs    int
	failing      error // returned by the next ReadUnit
	configuredAs frame.VideoConfig
}

func (s *switched) SetVideo(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && s.refuses {
		return fmt.Errorf("camera: %w of 9x9: no memory", frame.ErrVideo)
	}
	if on != s.on {
		if on {
			s.ons++
			s.configuredAs = s.config
			s.requested = true
		} else {
			s.offs++
		}
	}
	s.on = on
	return nil
}

func (s *switched) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	s.mu.Lock()
	on, failing := s.on, s.failing
	s.failing = nil
	if failing != nil {
		s.on = false
	}
	s.mu.Unlock()
	if failing != nil {
		return failing
	}
	if !on {
		<-ctx.Done() // blocks until the reader gives up
		return ctx.Err()
	}
	return s.coded.ReadUnit(ctx, u)
}

func (s *switched) counts() (on bool, ons, offs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on, s.ons, s.offs
}

func TestSourcesEncoderRunsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &switched{coded: coded{ready: ready{newCamera(time.Second / 30)}}}
		s := &videoSetup{source: c, missing: errors.New("no encoder")}
		p := s.start(t)
		defer p.Watch()()
		time.Sleep(time.Second)
		if on, ons, _ := c.counts(); on || ons != 0 {
			t.Errorf("on %v, switched on %d times without readers", on, ons)
		}
		for round := range 3 {
			leave := p.Video().Watch()
			r := p.Video().Log().NewReader(0)
			began := time.Now()
			take(t, r, 1)
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("the first unit took %v", took)
			}
			take2(t, r, 20)
			r.Close()
			leave()
			time.Sleep(time.Second)
			if on, ons, offs := c.counts(); on || ons != round+1 || offs != round+1 {
				t.Errorf("round %d: on %v, on %d times, off %d times", round, on, ons, offs)
			}
		}
		if c.configuredAs.Bitrate == 0 {
			t.Error("switched on before it was configured")
		}
	})
}

func TestSourcesEncoderFailureIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &switched{coded: coded{ready: ready{newCamera(time.Second / 30)}}, refuses: true}
		s := &videoSetup{source: c, missing: errors.New("no encoder")}
		p := s.start(t)
		defer p.Watch()()
		time.Sleep(time.Second)
		if err := p.Video().Err(); err != nil {
			t.Errorf("before the first reader: %v", err)
		}
		leave := p.Video().Watch()
		defer leave()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		time.Sleep(100 * time.Millisecond)
		if err := p.Video().Err(); !errors.Is(err, pipeline.ErrNoVideo) || !strings.Contains(err.Error(), "no memory") {
			t.Errorf("refused: %v", err)
		}
		if st := p.State(); st.Video.Available || !strings.Contains(st.Video.Reason, "no memory") || !st.Signal {
			t.Errorf("%+v, signal %v", st.Video, st.Signal)
		}
		c.mu.Lock()
		c.refuses = false
		c.mu.Unlock()
		time.Sleep(6 * time.Second) // a waiting reader is served when the encoder becomes available
		take(t, r, 1)
		if err := p.Video().Err(); err != nil || !p.State().Video.Available {
			t.Errorf("available again: %v", err)
		}
		// One that fails while streaming is also retried, and resumes with a key frame.
		c.mu.Lock()
		c.failing = fmt.Errorf("camera: %w: the core is stuck", frame.ErrVideo)
		c.mu.Unlock()
		time.Sleep(time.Second)
		if err := p.Video().Err(); err == nil || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("stuck: %v", err)
		}
		time.Sleep(5 * time.Second)
		if on, ons, _ := c.counts(); !on || ons != 2 {
			t.Errorf("on %v, %d times", on, ons)
		}
	})
}

func TestVideoSettingsAreRejectedWithoutVideo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{open: always(newCamera(time.Second / 30))})
		time.Sleep(time.Second)
		var refused *pipeline.SettingError
		if _, err := p.Change(t.Context(), pipeline.Change{Bitrate: ptr(500_000)}); !errors.As(err, &refused) {
			t.Error(err)
		}
		if p.Video() != nil || p.State().Video != nil {
			t.Error("H.264 although it is not configured")
		}
	})
}

// A reader that connects while the pipeline is idle, at one picture per second, gets a key frame within 500 ms, by a clock independent of load.
func TestIdlePipelinesVideoStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}, jpeg: 20 * time.Millisecond}
		p := s.start(t)
		for round := range 5 {
			time.Sleep(3*time.Second + time.Duration(round)*170*time.Millisecond) // at different moments within a second
			if st := p.State(); !st.Idle || s.open64.Load() != 0 {
				t.Fatalf("not idle: %+v", st)
			}
			began := time.Now()
			leave := p.Video().Watch()
			r := p.Video().Log().NewReader(0)
			takeEach(t, r, 1, func(_ int, u *video.Unit) {
				if m := u.Meta(); !m.Key || began.Sub(m.Captured) > time.Second/30 {
					t.Errorf("round %d: the first unit was captured %v before its reader connected; key frame: %v", round, began.Sub(m.Captured), m.Key)
				}
			})
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("round %d: the first unit took %v", round, took)
			}
			r.Close()
			leave()
		}
	})
}

// A reader that stalls for five seconds is at the newest picture within a second of resuming; others meanwhile get every picture.
func TestStalledVideoReaderCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &videoSetup{source: sharp{newCamera(time.Second / 30)}}
		p := s.start(t)
		defer p.Video().Watch()()
		good, stopped := p.Video().Log().NewReader(0), p.Video().Log().NewReader(0)
		defer good.Close()
		defer stopped.Close()
		take(t, stopped, 1)
		numbers, _ := take(t, good, 150) // five seconds
		for i := 1; i < len(numbers); i++ {
			if numbers[i] != numbers[i-1]+1 {
				t.Errorf("picture %d after %d for the other reader", numbers[i], numbers[i-1])
			}
		}
		on := time.Now()
		var u video.Unit
		for {
			if err := stopped.Next(t.Context(), &u); err != nil {
				t.Fatal(err)
			}
			m := *u.Meta()
			u.Release()
			if !m.Captured.Before(on) {
				break
			}
		}
		if took := time.Since(on); took > time.Second {
			t.Errorf("caught up after %v", took)
		}
		more, _ := take(t, good, 30)
		if more[0] != numbers[len(numbers)-1]+1 || more[29] != more[0]+29 {
			t.Errorf("the other reader has %v after %d", more, numbers[len(numbers)-1])
		}
	})
}
