package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// pausing is a source that stops its stream for larger pictures.
type pausing struct {
	*camera
	on     chan struct{} // capacity 1, used as the device's lock
	size   frame.Size    // of the larger pictures
	larger func() frame.RawSource
	opened atomic.Int64
	last   time.Time // when the last of them ended
	rested time.Duration
}

func newPausing(larger func() frame.RawSource) *pausing {
	return &pausing{camera: newCamera(20 * time.Millisecond), on: make(chan struct{}, 1), size: frame.Size{Width: 16, Height: 16}, larger: larger}
}

func (w *pausing) ReadFrame(ctx context.Context, f *frame.Frame) error {
	select {
	case w.on <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.on }()
	return w.camera.ReadFrame(ctx, f)
}

func (w *pausing) StillSize() frame.Size { return w.size }

func (w *pausing) OpenStill(context.Context) (frame.Source, error) {
	w.on <- struct{}{}
	if w.opened.Add(1) > 1 {
		w.rested = time.Since(w.last)
	}
	return &large{w.larger(), w}, nil
}

// large is the source of larger pictures.
type large struct {
	frame.RawSource
	webcam *pausing
}

func (l *large) Info() frame.Info {
	return frame.Info{Name: "fake", Kind: "camera", Width: 16, Height: 16}
}

func (l *large) ReadFrame(ctx context.Context, f *frame.Frame) error {
	err := l.RawSource.ReadFrame(ctx, f)
	f.Width, f.Height = 16, 16
	return err
}

func (l *large) Close() error {
	l.webcam.last = time.Now()
	<-l.webcam.on
	return l.RawSource.Close()
}

// silent never delivers.
type silent struct{ *camera }

func (silent) ReadFrame(ctx context.Context, _ *frame.Frame) error {
	<-ctx.Done()
	return ctx.Err()
}

func slow() frame.RawSource { return newCamera(100 * time.Millisecond) }

// goesOn expects the stream to continue without reopening the source.
func goesOn(t *testing.T, p *pipeline.Pipeline) {
	t.Helper()
	before := p.State().Published
	time.Sleep(5 * time.Second)
	if s := p.State(); s.Published < before+3 || s.Restarts != 0 || !s.Signal {
		t.Errorf("%d pictures within 5 s; %+v", s.Published-before, s)
	}
}

func TestStreamPausesOnceForConcurrentStills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPausing(slow)
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) { return w, nil }})
		defer p.Watch()()
		time.Sleep(time.Second)
		for round := range 2 {
			asked := time.Now()
			var clients sync.WaitGroup
			for range 10 {
				clients.Go(func() {
					var picture frame.Picture
					jpg, err := p.Still(t.Context(), nil, &picture)
					if err != nil || len(jpg) != 88 || picture.Width != 16 || picture.Captured.Before(asked) {
						t.Errorf("%v: %d bytes, %+v", err, len(jpg), picture)
					}
				})
			}
			clients.Wait()
			if n := w.opened.Load(); n != int64(round+1) {
				t.Errorf("the stream paused %d times for %d rounds", n, round+1)
			}
		}
		if w.rested < 2*time.Second {
			t.Errorf("the stream ran for only %v", w.rested)
		}
		goesOn(t, p)
		p.Close()
		if w.released.Load() != w.read.Load() {
			t.Errorf("%d frames read, %d released", w.read.Load(), w.released.Load())
		}
	})
}

func TestPauseEndsWithoutAStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPausing(func() frame.RawSource { return silent{newCamera(time.Second)} })
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) { return w, nil }})
		time.Sleep(time.Second)
		begun := time.Now()
		if _, err := p.Still(t.Context(), nil, new(frame.Picture)); err == nil || !strings.Contains(err.Error(), "no picture within 8s") || time.Since(begun) != 8*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		goesOn(t, p)

		// The end of the pipeline ends the pause.
		done := make(chan error)
		go func() {
			_, err := p.Still(t.Context(), nil, new(frame.Picture))
			done <- err
		}()
		time.Sleep(time.Second)
		p.Close()
		if err := <-done; err == nil {
			t.Error("a picture from a closed pipeline")
		}
		if _, err := p.Still(t.Context(), nil, new(frame.Picture)); !errors.Is(err, pipeline.ErrNoSignal) {
			t.Error(err)
		}
	})
}

func TestStillFromAFullSizeStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPausing(slow)
		w.size = frame.Size{Width: 8, Height: 8}
		p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) { return w, nil }})
		var picture frame.Picture
		jpg, err := p.Still(t.Context(), nil, &picture)
		if err != nil || len(jpg) != 88 || picture.Width != 8 || w.opened.Load() != 0 {
			t.Errorf("%v: %d bytes, %+v, %d pauses", err, len(jpg), picture, w.opened.Load())
		}
		other := start(t, setup{open: always(newCamera(20 * time.Millisecond))})
		if _, err := other.Still(t.Context(), nil, &picture); !errors.Is(err, frame.ErrUnsupported) {
			t.Error(err)
		}
	})
}
