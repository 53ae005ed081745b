package push

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// Source supplies a Pusher's pictures. It is used from one goroutine.
type Source interface {
	// Next waits for the next picture and fills s. It returns io.EOF at the end.
	Next(ctx context.Context, s *Shot) error
}

// Live is a Source whose pictures become stale: if one cannot be delivered, a newer one is sent instead.
type Live interface {
	Source
	// Newer fills s if there is a newer picture than the last one, and reports whether it did. It does not wait.
	Newer(s *Shot) bool
}

// RingConfig selects which of a ring's frames are pushed.
type RingConfig struct {
	Ring *ring.Ring
	// Watch, if not nil, is held while frames are needed, and keeps the encoder running.
	Watch func() (leave func())
	// Every is the interval between pictures; 0: every frame.
	Every time.Duration
	// Done, when closed, means that no more frames will come; nil: only closing the ring does.
	Done <-chan struct{}
	// Err, if not nil, returns why Done was closed: nil or frame.ErrEnd (wrapped) for a normal end; Next returns any other error.
	Err func() error
}

// RingSource supplies the newest frames of a ring, except "no signal" frames. Close ends it.
type RingSource struct {
	config RingConfig
	reader *ring.Reader
	leave  func()
	due    time.Time
	begun  bool
}

var _ Live = (*RingSource)(nil)

// restBetween is the shortest wait for the next picture during which Watch is released and the encoder may rest.
const restBetween = 3 * time.Second

// FromRing returns a Source of a ring's frames.
func FromRing(c RingConfig) *RingSource {
	return &RingSource{config: c, reader: c.Ring.NewReader(), leave: func() {}}
}

// Close ends the source; its shots stay valid until they are released. Further calls do nothing.
func (r *RingSource) Close() {
	r.leave()
	r.reader.Close()
}

// Next implements Source. At the end of the ring, or after the last frame once Done is closed, it returns io.EOF or Err's error.
func (r *RingSource) Next(ctx context.Context, s *Shot) error {
	if ctx == nil || s == nil {
		return errors.New("push: no context, or no shot to fill")
	}
	if err := r.sleep(ctx); err != nil {
		return err
	}
	r.watch()
	for ended := false; ; {
		f := new(ring.Frame)
		switch err := r.reader.Next(expired, f); {
		case err == nil:
			if r.take(f, s) {
				return nil
			}
			continue
		case errors.Is(err, ring.ErrClosed) || ended:
			return r.end()
		}
		select {
		case <-r.reader.Updates():
		case <-r.config.Done:
			ended = true // but look once more
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *RingSource) end() error {
	if r.config.Err != nil {
		if err := r.config.Err(); err != nil && !errors.Is(err, frame.ErrEnd) {
			return err
		}
	}
	return io.EOF
}

// expired makes a Reader's Next return without waiting.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Newer implements Live.
func (r *RingSource) Newer(s *Shot) bool {
	f := new(ring.Frame)
	return r.reader.TryNext(f) && r.take(f, s)
}

// sleep waits until the next picture is due, and lets the encoder rest if that is a while.
func (r *RingSource) sleep(ctx context.Context) error {
	if r.config.Every <= 0 {
		return nil
	}
	now := time.Now()
	r.due = pace.Next(r.due, now, r.config.Every)
	wait := r.due.Sub(now)
	if wait > restBetween {
		r.leave()
		r.leave = func() {}
		r.begun = false
	}
	return pause(ctx, wait)
}

func (r *RingSource) watch() {
	if r.config.Watch != nil && !r.begun {
		r.leave = r.config.Watch()
		r.begun = true
	}
}

// take makes a shot of a frame, unless it is not to be pushed.
func (r *RingSource) take(f *ring.Frame, s *Shot) bool {
	m := f.Meta()
	if m.Substitute || (r.config.Every > 0 && m.Published.Before(r.due)) {
		f.Release()
		return false
	}
	*s = Shot{Data: f.JPEG(), ContentType: "image/jpeg", Captured: m.Captured, Sequence: m.Sequence, Release: f.Release}
	if r.config.Every <= 0 {
		s.Skipped = f.Skipped
	}
	return true
}

// pause waits for d or ctx's end.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
