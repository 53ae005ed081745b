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

// film is a source that has only H.264: 25 numbered units per second, with periodic key frames.
type film struct {
	every uint64
	fill  int // additional bytes per unit
	fail  func(number uint64) error

	mu     sync.Mutex
	number uint64
	closed chan struct{}
}

func newFilm(every uint64) *film { return &film{every: every, closed: make(chan struct{})} }

func (f *film) Info() frame.Info {
	return frame.Info{Name: "film", Kind: "h264", Width: 64, Height: 48, FPS: 25}
}

func (f *film) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.closed:
	default:
		close(f.closed)
	}
	return nil
}

func (f *film) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	select {
	case <-time.After(time.Second / 25):
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return frame.ErrEnd
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	unit(u, f.number%f.every == 1, f.number)
	if f.fill > 0 {
		u.NALs = append(u.NALs, append([]byte{12}, make([]byte, f.fill)...))
	}
	u.Captured, u.Sequence = time.Now(), f.number
	if f.fail != nil {
		return f.fail(f.number)
	}
	return nil
}

// decoder decodes film's units, checks that none is missing, and counts them.
type decoder struct {
	open, decoded *atomic.Int64
	fail          func(number uint64) error
	last          uint64
	closed        bool
	delay         int // how many pictures it holds back
	back          []frame.Frame
	problem       func(format string, args ...any)
}

func (d *decoder) Name() string { return "fake decoder" }

func (d *decoder) Decode(u *frame.AccessUnit, f *frame.Frame) (bool, error) {
	if len(u.NALs) == 0 {
		return d.next(f)
	}
	for _, n := range u.NALs {
		if kind := n[0] & 0x1f; kind != 1 && kind != 5 {
			continue
		}
		number := binary.BigEndian.Uint64(n[1:])
		if d.fail != nil {
			if err := d.fail(number); err != nil {
				d.last = 0
				return false, err
			}
		}
		if !u.Key && number != d.last+1 {
			d.problem("unit %d is decoded behind %d", number, d.last)
		}
		d.last = number
	}
	d.decoded.Add(1)
	fresh, err := frame.Alloc(frame.YUV420, 8, 8)
	if err != nil {
		return false, err
	}
	fresh.Captured, fresh.Sequence = u.Captured, u.Sequence
	d.back = append(d.back, *fresh)
	if len(d.back) <= d.delay {
		return false, nil
	}
	return d.next(f)
}

func (d *decoder) next(f *frame.Frame) (bool, error) {
	if len(d.back) == 0 {
		return false, nil
	}
	*f, d.back = d.back[0], d.back[1:]
	return true, nil
}

func (d *decoder) Close() error {
	if !d.closed {
		d.closed = true
		d.open.Add(-1)
	}
	return nil
}

// coding is a pipeline with a source that has only H.264.
type coding struct {
	source  *film
	off     bool  // no H.264 outputs
	missing error // why there is no decoder
	delay   int   // of the decoder
	fail    func(number uint64) error

	open, decoded atomic.Int64
	log           *video.Log
}

func (c *coding) start(t *testing.T) *pipeline.Pipeline {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if c.log, err = video.New(video.Config{Bytes: 256 << 10}); err != nil {
		t.Fatal(err)
	}
	config := pipeline.Config{
		Open: func(context.Context, pipeline.Settings) (frame.Source, error) { return c.source, nil },
		Ring: r, Workers: 2, EndIsFinal: true,
		NewEncoder: func() (frame.Encoder, error) {
			return &encoder{took: func(uint64) time.Duration { return 0 }}, nil
		},
		NewDecoder: func() (frame.VideoDecoder, error) {
			if c.missing != nil {
				return nil, c.missing
			}
			c.open.Add(1)
			return &decoder{open: &c.open, decoded: &c.decoded, fail: c.fail, delay: c.delay, problem: t.Errorf}, nil
		},
		NoSignal: func(reason string, _, _ int) ([]byte, error) { return []byte("substitute: " + reason), nil },
		Settings: pipeline.Settings{Quality: 80, FPS: 25, Width: 8, Height: 8},
		Video:    &pipeline.VideoConfig{Log: c.log},
	}
	if c.off {
		config.Video = nil
	}
	p, err := pipeline.New(config)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		p.Close()
		c.log.Close()
		r.Close()
		if n := c.open.Load(); n != 0 {
			t.Errorf("%d decoders are left open", n)
		}
	})
	return p
}

// H.264 from a source that has nothing else is passed through without decoding, and JPEGs are made only while wanted.
func TestJPEGsOfAnH264SourceAreMadeOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coding{source: newFilm(250)}
		p := c.start(t)
		leave := p.Video().Watch()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		numbers, _ := take(t, r, 100)
		for i, n := range numbers {
			if n != uint64(i)+1 {
				t.Fatalf("unit %d is %d", i, n)
			}
		}
		leave()
		if n := c.decoded.Load(); n != 0 || c.open.Load() != 0 {
			t.Errorf("%d pictures decoded without viewers, %d decoders", n, c.open.Load())
		}
		if s := p.State(); !s.Signal || s.Video.Encoder != "pass-through" || !s.Video.Available || s.NoPictures != "" || s.Encoder != "fake encoder" {
			t.Errorf("%+v, %+v", s, s.Video)
		}
		// A current picture within a frame's time, although the last key frame is long ago.
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		var f ring.Frame
		asked := time.Now()
		if err := p.Snapshot(ctx, asked, &f); err != nil {
			t.Fatal(err)
		}
		if f.Meta().Captured.Before(asked) || f.Meta().Substitute {
			t.Errorf("%+v", f.Meta())
		}
		f.Release()
		if n := c.decoded.Load(); n < 100 || n > 110 {
			t.Errorf("%d pictures decoded since the key frame", n)
		}
		time.Sleep(3 * time.Second)
		before := c.decoded.Load()
		time.Sleep(3 * time.Second)
		if after := c.decoded.Load(); after != before || c.open.Load() != 0 {
			t.Errorf("%d pictures decoded after the last viewer left, %d decoders", after-before, c.open.Load())
		}
		leave = p.Watch()
		published := p.State().Published
		time.Sleep(4 * time.Second)
		if n := p.State().Published - published; n < 95 || n > 101 {
			t.Errorf("%d JPEGs in 4 s", n)
		}
		leave()
	})
}

// With H.264 off there are JPEGs nevertheless.
func TestJPEGsOfAnH264SourceWithoutH264(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coding{source: newFilm(50), off: true}
		p := c.start(t)
		var f ring.Frame
		if err := p.Snapshot(t.Context(), time.Now(), &f); err != nil {
			t.Fatal(err)
		}
		f.Release()
	})
}

// Without a decoder the pictures explain that, and H.264 continues.
func TestNoDecoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coding{source: newFilm(50), missing: errors.New("apt install libdecoder")}
		p := c.start(t)
		time.Sleep(time.Second)
		var f ring.Frame
		err := p.Snapshot(t.Context(), time.Now(), &f)
		if !errors.Is(err, pipeline.ErrNoPictures) || !strings.Contains(fmt.Sprint(err), "apt install libdecoder") {
			t.Errorf("%v", err)
		}
		if s := p.State(); !s.Signal || !strings.Contains(s.NoPictures, "no JPEG from an H.264 source: apt install libdecoder") {
			t.Errorf("%+v", s)
		}
		defer p.Watch()()
		time.Sleep(2 * time.Second)
		if !p.Ring().Latest(&f) || !f.Meta().Substitute || !strings.Contains(string(f.JPEG()), "apt install libdecoder") {
			t.Error("the stream does not show the reason")
		}
		f.Release()
		defer p.Video().Watch()()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		take(t, r, 20)
	})
}

// A source that ends at once still has a picture, and one that cannot be decoded has the reason.
func TestShortH264SourceHasAPicture(t *testing.T) {
	for _, undecodable := range []bool{false, true} {
		for units := range 4 {
			synctest.Test(t, func(t *testing.T) {
				source := newFilm(25)
				source.fail = func(number uint64) error {
					if number > uint64(units+1) {
						return frame.ErrEnd
					}
					return nil
				}
				c := &coding{source: source, off: units%2 == 0, fail: func(uint64) error {
					if undecodable {
						return fmt.Errorf("10 bits: %w", frame.ErrUnsupported)
					}
					return nil
				}}
				p := c.start(t)
				if units > 1 { // the program may ask late
					<-p.Done()
				}
				var f ring.Frame
				err := p.Snapshot(t.Context(), time.Time{}, &f)
				if err == nil {
					f.Release()
				}
				if undecodable && (!errors.Is(err, pipeline.ErrNoPictures) || !strings.Contains(err.Error(), "10 bits")) || !undecodable && err != nil {
					t.Errorf("undecodable %v, %d units: %v", undecodable, units+1, err)
				}
			})
		}
	}
}

// The last unit of a pipe is often cut off; the pictures before it are shown, and those that the decoder holds back.
func TestEndOfAnH264SourceHasItsLastPicture(t *testing.T) {
	for name, c := range map[string]*coding{
		"the last unit is damaged": {fail: func(number uint64) error {
			if number == 5 {
				return fmt.Errorf("cut off: %w", frame.ErrBadPicture)
			}
			return nil
		}},
		"two pictures are held back": {delay: 2},
		"all are held back":          {delay: 9},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.source = newFilm(25)
			c.source.fail = func(number uint64) error {
				if number > 5 {
					return frame.ErrEnd
				}
				return nil
			}
			p := c.start(t)
			<-p.Done()
			var f ring.Frame
			if err := p.Snapshot(t.Context(), time.Time{}, &f); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			f.Release()
		})
	}
}

// An undecodable stream is reported, and pictures return when it is decodable again.
func TestUnsupportedH264(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coding{source: newFilm(25), fail: func(number uint64) error {
			if number < 100 {
				return fmt.Errorf("10 bits: %w", frame.ErrUnsupported)
			}
			return nil
		}}
		p := c.start(t)
		defer p.Watch()()
		time.Sleep(2 * time.Second)
		if s := p.State(); !strings.Contains(s.NoPictures, "10 bits") {
			t.Errorf("%q", s.NoPictures)
		}
		time.Sleep(4 * time.Second)
		var f ring.Frame
		if err := p.Snapshot(t.Context(), time.Now(), &f); err != nil {
			t.Fatal(err)
		}
		f.Release()
		if s := p.State(); s.NoPictures != "" {
			t.Errorf("%q", s.NoPictures)
		}
	})
}

// After a unit that is damaged or lost, nothing is shown until the next key frame.
func TestLostUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFilm(25)
		source.fail = func(number uint64) error {
			if number == 30 {
				return fmt.Errorf("unit %d: %w", number, frame.ErrBadPicture)
			}
			return nil
		}
		c := &coding{source: source, fail: func(number uint64) error {
			if number == 60 {
				return frame.ErrBadPicture
			}
			return nil
		}}
		p := c.start(t)
		defer p.Watch()()
		defer p.Video().Watch()()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		numbers, _ := take(t, r, 60)
		for i, n := range numbers {
			want := uint64(i) + 1
			if i >= 29 {
				want = uint64(i) + 1 + 51 - 30
			}
			if n != want {
				t.Fatalf("unit %d is %d, want %d", i, n, want)
			}
		}
		if s := p.State(); s.Dropped.Broken != 2 {
			t.Errorf("%+v", s.Dropped)
		}
	})
}

// A group larger than the log breaks nothing: readers who keep up get all of it, new ones wait for the next key frame, and the state has a note.
func TestGroupLargerThanTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFilm(500)
		source.fill = 5000 // 500 units are some 2.5 MB
		c := &coding{source: source}
		p := c.start(t)
		defer p.Video().Watch()()
		r := p.Video().Log().NewReader(0)
		defer r.Close()
		if numbers, _ := take(t, r, 300); numbers[299] != 300 {
			t.Errorf("unit %d", numbers[299])
		}
		if note := p.State().Video.Note; !strings.Contains(note, "far apart") {
			t.Errorf("%q", note)
		}
		leave := p.Watch()
		time.Sleep(4 * time.Second)
		if n := p.State().Published; n != 0 {
			t.Errorf("%d JPEGs from units without their key frame", n)
		}
		time.Sleep(8 * time.Second)
		if n := p.State().Published; n == 0 {
			t.Error("no JPEGs after the next key frame")
		}
		leave()
	})
}

// Settings that such a source does not support are rejected.
func TestSettingsOfAnH264Source(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &coding{source: newFilm(25)}
		p := c.start(t)
		time.Sleep(time.Second)
		var refused *pipeline.SettingError
		for name, change := range map[string]pipeline.Change{
			"bitrate": {Bitrate: ptr(500_000)}, "gop": {GOP: ptr(1.0)}, "rotate": {Rotate: ptr(90)}, "mirror": {Mirror: ptr(true)}, "overlay": {Overlay: ptr("x")},
		} {
			if _, err := p.Change(t.Context(), change); !errors.As(err, &refused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := p.Change(t.Context(), pipeline.Change{Quality: ptr(50), FPS: ptr(5.0)}); err != nil {
			t.Error(err)
		}
		can := p.State().Can
		if !can.Quality || !can.FPS || can.Rotate || can.Orient || can.Overlay {
			t.Errorf("%+v", can)
		}
	})
}
