package stream

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// frames supplies a test shrinker: each request waits until the test hands over a frame.
type frames struct {
	taken atomic.Int64
	hand  chan time.Time // capture times
	jpg   []byte
}

func newShrinker(t *testing.T) (*shrinker, *frames) {
	t.Helper()
	img, err := picture.New(640, 360, picture.RGB).JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	f := &frames{hand: make(chan time.Time), jpg: img.Bytes()}
	ctx, cancel := context.WithCancel(t.Context())
	s := &shrinker{ctx: ctx, last: map[int]*shrunk{}, patience: func() time.Duration { return time.Minute }, take: func(ctx context.Context, _ time.Time, b *[]byte, m *ring.Meta) error {
		f.taken.Add(1)
		select {
		case m.Captured = <-f.hand:
			*b = append((*b)[:0], f.jpg...)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	t.Cleanup(func() {
		cancel()
		s.close()
		if _, err := s.join(time.Now(), 100); err == nil {
			t.Error("a closed shrinker makes pictures")
		}
	})
	return s, f
}

func (s *shrinker) mustJoin(t *testing.T, width int) *shrunk {
	t.Helper()
	one, err := s.join(time.Now(), width)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func widthOf(t *testing.T, jpg []byte) image.Point {
	t.Helper()
	c, err := jpeg.DecodeConfig(bytes.NewReader(jpg))
	if err != nil {
		t.Fatal(err)
	}
	return image.Pt(c.Width, c.Height)
}

func TestConcurrentRequestsShareSmallerPicture(t *testing.T) {
	s, f := newShrinker(t)
	one := s.mustJoin(t, 320)
	for range 50 {
		if again := s.mustJoin(t, 320); again != one {
			t.Fatal("concurrent requests for one width got two pictures")
		}
	}
	other := s.mustJoin(t, 100)
	for range 2 {
		f.hand <- time.Now()
	}
	<-one.done
	<-other.done
	if n := f.taken.Load(); n != 2 || one.err != nil || widthOf(t, one.jpg) != image.Pt(320, 180) || widthOf(t, other.jpg) != image.Pt(100, 56) {
		t.Errorf("%d frames taken for two widths; %v", n, one.err)
	}
	if next := s.mustJoin(t, 320); next == one {
		t.Error("a later request got the old picture")
	}
}

// Requests that arrive during scaling share the next picture, which is not begun before the first is done.
func TestPicturesOfOneWidthAreSerialized(t *testing.T) {
	s, f := newShrinker(t)
	s.scaling.Lock()
	first := s.mustJoin(t, 320)
	f.hand <- time.Now()
	var next *shrunk
	for next == nil || next == first {
		next = s.mustJoin(t, 320)
	}
	if again := s.mustJoin(t, 320); again != next || f.taken.Load() != 1 {
		t.Error("the second picture is not shared, or already begun")
	}
	s.scaling.Unlock()
	<-first.done
	f.hand <- time.Now()
	<-next.done
	if next.err != nil || f.taken.Load() != 2 {
		t.Error(next.err, f.taken.Load())
	}
}

func TestWidthsInProgressAreLimited(t *testing.T) {
	s, f := newShrinker(t)
	var on []*shrunk
	for i := range maxWidths {
		on = append(on, s.mustJoin(t, 100+i))
	}
	if _, _, err := s.smaller(t.Context(), time.Now(), 99); !errors.Is(err, errTooManyWidths) {
		t.Error(err)
	}
	for range maxWidths {
		f.hand <- time.Now()
	}
	for _, one := range on {
		<-one.done
	}
	s.mustJoin(t, 99)
}

// A picture is never older than requested, and a caller that leaves does not affect the others.
func TestSmallerPictureIsNeverTooOld(t *testing.T) {
	s, f := newShrinker(t)
	one := s.mustJoin(t, 320)
	for f.taken.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	old := time.Now()
	asked := old.Add(time.Nanosecond)
	leaving, leave := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, _, err := s.smaller(leaving, asked, 320); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	wait.Go(func() {
		if _, m, err := s.smaller(t.Context(), asked, 320); err != nil || m.Captured.Before(asked) {
			t.Error(err, "older than requested")
		}
	})
	for joined := false; !joined; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		joined = one.notBefore.Equal(asked)
		s.mu.Unlock()
	}
	leave()
	f.hand <- old
	<-one.done
	f.hand <- time.Now() // for the caller that found the first too old
	wait.Wait()
}

func TestSmallerPictureOfInvalidJPEG(t *testing.T) {
	s, f := newShrinker(t)
	f.jpg = []byte("no JPEG")
	one := s.mustJoin(t, 320)
	f.hand <- time.Now()
	if <-one.done; !errors.Is(one.err, frame.ErrBadPicture) {
		t.Error(one.err)
	}
}
