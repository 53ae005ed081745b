package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/internal/bench/baseline"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

const (
	aloneFrames = 40
	aloneWarm   = 8 // of them, not counted: buffers grow, caches fill
	aloneTime   = 4 * time.Second
)

// cost is what one stage used for some frames, alone in one thread.
type cost struct {
	frames int
	cpu    time.Duration
	allocs uint64
}

func (c cost) micros() float64         { return float64(c.cpu) / 1e3 / float64(max(c.frames, 1)) }
func (c cost) allocsPerFrame() float64 { return float64(c.allocs) / float64(max(c.frames, 1)) }

// take runs f and adds its cost, except for the first frames.
func (c *cost) take(counts bool, f func() error) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := usage.Thread()
	err := f()
	cpu = usage.Thread() - cpu
	runtime.ReadMemStats(&after)
	if counts && err == nil {
		c.frames++
		c.cpu += cpu
		c.allocs += after.Mallocs - before.Mallocs
	}
	return err
}

// alone is the cost of the stages and their limits, one after the other.
type alone struct {
	capture, captureLimit, encode, encodeLimit, publish, publishLimit cost
	copied                                                            int // copies of a picture in user space by the source's read

	scratch []byte
	planar  *frame.Frame // for direct calls of libjpeg
	ring    *ring.Ring
}

// measureAlone reads some of source's pictures and passes them through every stage.
func measureAlone(ctx context.Context, source frame.Source, newEncoder func() (frame.Encoder, error), slot, quality int, progress func(float64)) (*alone, error) {
	a := &alone{}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var err error
	if a.ring, err = ring.New(ring.Config{Slots: 4, SlotSize: slot, Envelope: stream.Envelope()}); err != nil {
		return nil, err
	}
	defer a.ring.Close()
	var encoder frame.Encoder
	if _, raw := source.(frame.RawSource); raw {
		if encoder, err = newEncoder(); err != nil {
			return nil, err
		}
		defer encoder.Close()
	}
	began := time.Now()
	for i := 0; i < aloneFrames && (i < aloneWarm+4 || time.Since(began) < aloneTime); i++ {
		progress(max(float64(i)/aloneFrames, float64(time.Since(began))/float64(aloneTime)))
		var err error
		switch source := source.(type) {
		case frame.JPEGSource:
			err = a.jpeg(ctx, source, i)
		case frame.RawSource:
			err = a.raw(ctx, source, encoder, quality, i)
		default:
			return nil, fmt.Errorf("source %s delivers neither raw frames nor JPEG", source.Info().Name)
		}
		switch {
		case errors.Is(err, frame.ErrBadPicture) || errors.Is(err, frame.ErrTooLarge):
		case errors.Is(err, frame.ErrEnd) && i > aloneWarm:
			return a, nil
		case err != nil:
			return nil, err
		}
	}
	return a, nil
}

func (a *alone) raw(ctx context.Context, source frame.RawSource, encoder frame.Encoder, quality, i int) error {
	var f frame.Frame
	counts := i >= aloneWarm
	if err := a.capture.take(counts, func() error { return source.ReadFrame(ctx, &f) }); err != nil {
		return err
	}
	defer f.Release()
	if err := f.Map(); err != nil {
		return err
	}
	a.room(rawBytes(&f))
	_ = a.captureLimit.take(counts, func() error {
		to := a.scratch
		for _, p := range f.Planes {
			to = to[copy(to, p):]
		}
		return nil
	})
	v, ok := a.ring.Reserve()
	if !ok {
		return errors.New("no free slot")
	}
	size := 0
	ours := func() error {
		return a.encode.take(counts, func() (err error) {
			size, err = encoder.Encode(v.Buffer(a.ring), &f, quality)
			return err
		})
	}
	// Alternate, so that neither always finds the picture in the cache.
	if i%2 == 1 {
		a.straight(&f, quality, counts)
	}
	if err := ours(); err != nil {
		a.ring.Discard(v)
		return err
	}
	if f.Format != frame.YUV420 && a.planar == nil {
		a.planar, _ = libjpeg.DecodeFrame(v.Buffer(a.ring)[:size], libjpeg.Limits{})
	}
	if i%2 == 0 {
		a.straight(&f, quality, counts)
	}
	return a.published(v, frame.Picture{Size: size, Width: f.Width, Height: f.Height, Quality: quality, Captured: f.Captured, Sequence: f.Sequence}, counts)
}

// straight measures libjpeg on f, or on a similar planar frame.
func (a *alone) straight(f *frame.Frame, quality int, counts bool) {
	if f.Format != frame.YUV420 {
		f = a.planar
	}
	if f == nil || f.Format != frame.YUV420 {
		return
	}
	if _, cpu, err := baseline.Encode(f, quality, 1); err == nil && counts {
		a.encodeLimit.frames++
		a.encodeLimit.cpu += cpu
	}
}

func (a *alone) jpeg(ctx context.Context, source frame.JPEGSource, i int) error {
	v, ok := a.ring.Reserve()
	if !ok {
		return errors.New("no free slot")
	}
	var p frame.Picture
	counts := i >= aloneWarm
	if err := a.capture.take(counts, func() error { return source.ReadJPEG(ctx, v.Buffer(a.ring), &p) }); err != nil {
		a.ring.Discard(v)
		return err
	}
	a.copied = 1 // from the device's, the file's or the standard input's buffer into the slot
	a.room(p.Size)
	_ = a.captureLimit.take(counts, func() error {
		copy(a.scratch, v.Buffer(a.ring)[:p.Size])
		return nil
	})
	return a.published(v, p, counts)
}

func (a *alone) published(v ring.Reservation, p frame.Picture, counts bool) error {
	a.room(p.Size)
	_ = a.publishLimit.take(counts, func() error {
		copy(a.scratch, v.Buffer(a.ring)[:p.Size])
		return nil
	})
	return a.publish.take(counts, func() error { return a.ring.Publish(v, &p, time.Now()) })
}

func (a *alone) room(n int) {
	if len(a.scratch) < n {
		a.scratch = make([]byte, n)
	}
}
