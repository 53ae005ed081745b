package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
)

const (
	// stillWithin limits how long the stream pauses for a larger picture.
	stillWithin = 8 * time.Second
	// stillRest is how long the stream runs between two of them.
	stillRest = 2 * time.Second
	// stillSettle is how long a camera that was just started has to settle its exposure.
	stillSettle = 500 * time.Millisecond
	// maxPassed is the largest JPEG that is passed through, in bytes.
	maxPassed = 32 << 20
)

// Still takes one picture of the sensor's full size, independently of the stream, into dst. It returns the part of dst that holds the picture,
// or a new slice if dst is too small. A source that must pause its stream (frame.StillOpener) takes one for all concurrent
// callers. The error wraps ErrNoSignal while the source is away, and frame.ErrUnsupported if it has only the stream's pictures.
func (p *Pipeline) Still(ctx context.Context, dst []byte, picture *frame.Picture) ([]byte, error) {
	if ctx == nil || picture == nil {
		return nil, errors.New("still picture: no context or no picture")
	}
	s, reason := p.running()
	if s == nil && reason == starting { // as in Snapshot: the first picture is on its way
		var first ring.Frame
		if err := p.Snapshot(ctx, time.Time{}, &first); err != nil {
			return nil, fmt.Errorf("still picture: %w", err)
		}
		first.Release()
		s, reason = p.running()
	}
	if s == nil {
		return nil, fmt.Errorf("still picture: %w: %s", ErrNoSignal, reason)
	}
	var err error
	switch source := s.source.(type) {
	case frame.Stiller:
		dst, err = stillBeside(ctx, source, dst, picture)
	case frame.StillOpener:
		info, size := source.(frame.Source).Info(), source.StillSize()
		if size.Width*size.Height <= info.Width*info.Height {
			dst, err = p.streamed(ctx, dst, picture)
		} else {
			dst, err = p.stills.take(ctx, s, dst, picture)
		}
	default:
		err = fmt.Errorf("%w by source %s", frame.ErrUnsupported, s.source.Info().Name)
	}
	if err != nil {
		return nil, fmt.Errorf("still picture: %w", err)
	}
	return dst, nil
}

func stillBeside(ctx context.Context, source frame.Stiller, dst []byte, picture *frame.Picture) ([]byte, error) {
	size := source.StillSize()
	if most := frame.MaxJPEGSize(size.Width, size.Height); cap(dst) < most {
		dst = make([]byte, most)
	}
	dst = dst[:cap(dst)]
	if err := source.Still(ctx, dst, picture); err != nil {
		return nil, err
	}
	return dst[:picture.Size], nil
}

// streamed takes a picture from the stream, which already has the camera's full size.
func (p *Pipeline) streamed(ctx context.Context, dst []byte, picture *frame.Picture) ([]byte, error) {
	var f ring.Frame
	if err := p.Snapshot(ctx, time.Now(), &f); err != nil {
		return nil, err
	}
	defer f.Release()
	*picture = f.Meta().Picture
	return append(dst[:0], f.JPEG()...), nil
}

// stills takes pictures for which the stream pauses: one at a time, shared by concurrent callers.
type stills struct {
	mu      sync.Mutex
	current *still // nil: none
	ended   time.Time
	closed  bool
	wait    sync.WaitGroup
}

// still is one such picture. The fields after done are set before done is closed.
type still struct {
	done chan struct{}

	jpg     []byte // shared, read-only
	picture frame.Picture
	err     error
}

// take copies a picture captured from now on to dst.
func (t *stills) take(ctx context.Context, s *session, dst []byte, picture *frame.Picture) ([]byte, error) {
	for asked := time.Now(); ; {
		shot, err := t.join(s)
		if err != nil {
			return nil, err
		}
		select {
		case <-shot.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if shot.err != nil {
			return nil, shot.err
		}
		if !shot.picture.Captured.Before(asked) {
			*picture = shot.picture
			return append(dst[:0], shot.jpg...), nil
		}
	}
}

func (t *stills) join(s *session) (*still, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || s.ctx.Err() != nil {
		return nil, fmt.Errorf("%w: the source was closed", ErrNoSignal)
	}
	if t.current == nil {
		shot := &still{done: make(chan struct{})}
		t.current = shot
		rest := time.Until(t.ended.Add(stillRest))
		t.wait.Go(func() { // the first caller may give up while others wait
			select {
			case <-time.After(rest):
				shot.jpg, shot.err = s.still(&shot.picture)
			case <-s.ctx.Done():
				shot.err = fmt.Errorf("%w: the source was closed", ErrNoSignal)
			}
			t.mu.Lock()
			t.current, t.ended = nil, time.Now()
			t.mu.Unlock()
			close(shot.done)
		})
	}
	return t.current, nil
}

// close waits for a picture in progress; the session's context has ended.
func (t *stills) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.wait.Wait()
}

// still pauses the stream for one larger picture.
func (s *session) still(picture *frame.Picture) (jpg []byte, err error) {
	p := s.pipeline
	ctx, cancel := context.WithTimeoutCause(s.ctx, stillWithin, fmt.Errorf("no picture within %v", stillWithin))
	defer cancel()
	s.paused.Store(int64(time.Since(p.started) + stillWithin))
	defer func() { s.paused.Store(int64(time.Since(p.started))) }()
	opener := s.source.(frame.StillOpener)
	larger, err := opener.OpenStill(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if failed := larger.Close(); failed != nil {
			p.config.Log.Warn("resuming the stream after a still picture failed", zap.Error(failed))
		}
	}()
	ready := time.Now().Add(stillSettle)
	for {
		switch source := larger.(type) {
		case frame.JPEGSource:
			jpg, err = readStill(ctx, source, picture)
		case frame.RawSource:
			jpg, err = s.encodeStill(ctx, source, ready, picture)
		}
		switch {
		case errors.Is(err, frame.ErrBadPicture):
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		case !picture.Captured.Before(ready):
			return jpg, nil
		}
	}
}

func readStill(ctx context.Context, source frame.JPEGSource, picture *frame.Picture) ([]byte, error) {
	info := source.Info()
	dst := make([]byte, min(frame.MaxJPEGSize(info.Width, info.Height), maxPassed))
	if err := source.ReadJPEG(ctx, dst, picture); err != nil {
		return nil, err
	}
	return bytes.Clone(dst[:picture.Size]), nil
}

// encodeStill encodes a raw picture with the stream's settings, but uncropped and without text. It ignores pictures from before ready.
func (s *session) encodeStill(ctx context.Context, source frame.RawSource, ready time.Time, picture *frame.Picture) ([]byte, error) {
	p := s.pipeline
	settings := p.settings.Load()
	var raw frame.Frame
	if err := source.ReadFrame(ctx, &raw); err != nil {
		return nil, err
	}
	defer raw.Release()
	*picture = frame.Picture{Captured: raw.Captured, Sequence: raw.Sequence, Quality: settings.Quality}
	if raw.Captured.Before(ready) {
		return nil, nil
	}
	f := &raw
	if look := (frame.Look{Mirror: settings.Mirror, Flip: settings.Flip, Rotate: settings.Rotate}); look != (frame.Look{}) && p.config.NewTransform != nil {
		var err error
		if f, err = p.config.NewTransform().Apply(f, &look); err != nil {
			return nil, err
		}
	}
	encoder, err := p.config.NewEncoder()
	if err != nil {
		return nil, err
	}
	defer func() { _ = encoder.Close() }() // closing a software encoder cannot fail
	dst := make([]byte, frame.MaxJPEGSize(f.Width, f.Height))
	n, err := encoder.Encode(dst, f, settings.Quality)
	if err != nil {
		return nil, err
	}
	picture.Size, picture.Width, picture.Height = n, f.Width, f.Height
	return bytes.Clone(dst[:n]), nil
}
