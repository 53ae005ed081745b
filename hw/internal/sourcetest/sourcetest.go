// Package sourcetest is the conformance suite for sources.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"image/jpeg"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maixstream/maixstream/hw/frame"
)

// Case is a source to test.
type Case struct {
	// Open opens a new source, which should deliver at least ten pictures per second and not end within 100.
	Open func(t testing.TB) frame.Source
	// Garbage permits allocations in steady reading.
	Garbage bool
	// SizeLater means that Info reports the size only after the first picture.
	SizeLater bool
}

// patience is the timeout for what should happen soon, on a busy machine.
const patience = 30 * time.Second

// Run runs the suite.
func Run(t *testing.T, c Case) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Run("info", c.describes)
	t.Run("delivers valid pictures in order", c.delivers)
	t.Run("does not modify a held picture", c.holds)
	t.Run("obeys the context", c.cancels)
	t.Run("info during reads", c.infoDuringReads)
	t.Run("closes during a read, and twice", c.closes)
	if !c.Garbage {
		t.Run("does not allocate", c.allocates)
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

func (c Case) open(t testing.TB) (frame.Source, *picture) {
	t.Helper()
	s := c.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, &picture{dst: make([]byte, 8<<20)}
}

// picture is the last picture read, of either kind.
type picture struct {
	frame         frame.Frame
	jpeg          frame.Picture
	dst           []byte
	sequence      uint64
	captured      time.Time
	width, height int
}

// read reads the next picture, which is valid until the next read or release.
func (p *picture) read(ctx context.Context, s frame.Source) (err error) {
	switch s := s.(type) {
	case frame.RawSource:
		p.frame.Release()
		if err = s.ReadFrame(ctx, &p.frame); err == nil {
			p.sequence, p.captured, p.width, p.height = p.frame.Sequence, p.frame.Captured, p.frame.Width, p.frame.Height
		}
	case frame.JPEGSource:
		if err = s.ReadJPEG(ctx, p.dst, &p.jpeg); err == nil {
			p.sequence, p.captured, p.width, p.height = p.jpeg.Sequence, p.jpeg.Captured, p.jpeg.Width, p.jpeg.Height
		}
	default:
		return errors.New("neither a RawSource nor a JPEGSource")
	}
	return err
}

func (p *picture) mustRead(t testing.TB, s frame.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.read(ctx, s); err != nil {
		t.Fatal(err)
	}
}

func (c Case) describes(t *testing.T) {
	s, p := c.open(t)
	info := s.Info()
	if info.Name == "" || info.Kind == "" || info.FPS < 0 {
		t.Errorf("info %+v", info)
	}
	if err := frame.CheckSize(info.Width, info.Height); err != nil && !c.SizeLater {
		t.Error(err)
	}
	p.mustRead(t, s)
	if info = s.Info(); info.Width != p.width || info.Height != p.height {
		t.Errorf("info says %dx%d, the picture is %dx%d", info.Width, info.Height, p.width, p.height)
	}
	_, passed := s.(frame.JPEGSource)
	if passed != (info.Encoder != "") {
		t.Errorf("encoder %q", info.Encoder)
	}
	p.frame.Release()
}

func (c Case) delivers(t *testing.T) {
	s, p := c.open(t)
	start := time.Now()
	var last uint64
	var lastCaptured time.Time
	for range 10 {
		p.mustRead(t, s)
		if p.sequence <= last {
			t.Errorf("sequence %d after %d", p.sequence, last)
		}
		now := time.Now()
		if p.captured.Before(start.Add(-10*time.Second)) || p.captured.After(now) || p.captured.Before(lastCaptured) || p.captured == p.captured.Round(0) {
			t.Errorf("captured %v; opened %v, now %v, previous %v", p.captured, start, now, lastCaptured)
		}
		last, lastCaptured = p.sequence, p.captured
		if _, raw := s.(frame.RawSource); raw {
			if err := p.frame.Check(); err != nil {
				t.Error(err)
			}
			if p.frame.Owner == nil {
				t.Error("the frame has no owner")
			}
			continue
		}
		img, err := jpeg.Decode(bytes.NewReader(p.dst[:p.jpeg.Size]))
		if err != nil {
			t.Fatal(err)
		}
		if b := img.Bounds(); b.Dx() != p.width || b.Dy() != p.height {
			t.Errorf("picture of %v, described as %dx%d", b, p.width, p.height)
		}
	}
	p.frame.Release()
}

// holds also checks that frames outlive their source.
func (c Case) holds(t *testing.T) {
	s, p := c.open(t)
	if _, raw := s.(frame.RawSource); !raw {
		if err := s.(frame.JPEGSource).ReadJPEG(context.Background(), make([]byte, 10), &p.jpeg); !errors.Is(err, frame.ErrTooLarge) {
			t.Errorf("10 bytes of room: %v", err)
		}
		p.mustRead(t, s)
		return
	}
	p.mustRead(t, s)
	held := p.frame
	p.frame = frame.Frame{}
	sum := checksum(&held)
	for range 5 {
		p.mustRead(t, s)
	}
	if checksum(&held) != sum {
		t.Error("a frame changed while it was held")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if checksum(&held) != sum {
		t.Error("a frame changed when its source was closed")
	}
	held.Release()
	held.Release()
	p.frame.Release()
}

func checksum(f *frame.Frame) (sum uint32) {
	for _, plane := range f.Planes {
		sum = crc32.Update(sum, crc32.IEEETable, plane)
	}
	return sum
}

// slow makes reads block, if the source supports it.
func slow(s frame.Source) {
	if r, ok := s.(frame.RateSetter); ok {
		_ = r.SetFPS(0.001)
	}
}

func (c Case) cancels(t *testing.T) {
	s, p := c.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.read(ctx, s); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: %v", err)
	}
	p.mustRead(t, s)
	slow(s)
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	for {
		err := p.read(ctx, s)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil || time.Since(start) > patience {
			t.Fatalf("read with a context that ends: %v", err)
		}
	}
	if r, ok := s.(frame.RateSetter); ok {
		if err := r.SetFPS(1000); err != nil {
			t.Error(err)
		}
	}
	p.mustRead(t, s)
	p.frame.Release()
}

// infoDuringReads is useful under the race detector, and for a file that loops meanwhile.
func (c Case) infoDuringReads(t *testing.T) {
	s, p := c.open(t)
	want := s.Info().Kind
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for kind := want; ; kind = s.Info().Kind {
			select {
			case <-stop:
				return
			default:
			}
			if kind != want {
				t.Errorf("kind %q became %q", want, kind)
				return
			}
			runtime.Gosched()
		}
	}()
	defer func() { close(stop); <-stopped }()
	if r, ok := s.(frame.RateSetter); ok {
		_ = r.SetFPS(1000)
	}
	for start := time.Now(); time.Since(start) < 500*time.Millisecond; {
		p.mustRead(t, s)
	}
	p.frame.Release()
}

func (c Case) closes(t *testing.T) {
	s, p := c.open(t)
	p.mustRead(t, s)
	slow(s)
	done := make(chan error, 1)
	go func() {
		for {
			if err := p.read(context.Background(), s); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond) // it most likely blocks by now
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, frame.ErrEnd) {
			t.Errorf("read while closed: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Close does not end a read")
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := p.read(context.Background(), s); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("read after close: %v", err)
	}
	p.frame.Release()
}

func (c Case) allocates(t *testing.T) {
	s, p := c.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 5 {
		p.mustRead(t, s)
	}
	var failed error
	if n := testing.AllocsPerRun(20, func() {
		if err := p.read(ctx, s); err != nil {
			failed = err
		}
	}); n > 0 || failed != nil {
		t.Errorf("%g allocations per picture (%v)", n, failed)
	}
	p.frame.Release()
}
