package stream

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/ring"
)

const (
	leastWidth = 16 // pixels that /snapshot?width= asks for
	// maxWidths is how many widths are made at the same time, one after the other; who asks for another one meanwhile is told to come back.
	maxWidths = 4
	// passedQuality is for pictures whose own quality is not known.
	passedQuality = 80
)

var errManyWidths = fmt.Errorf("pictures of %d other widths are being made: ask again, or for one of those", maxWidths)

// askedWidth is the query's width, 0 for the picture as it is.
func askedWidth(query url.Values) (int, error) {
	text := query.Get("width")
	if text == "" {
		return 0, nil
	}
	width, err := strconv.Atoi(text)
	if err != nil || width < leastWidth || width > frame.MaxDimension {
		return 0, fmt.Errorf("width=%.40q: want a number of pixels from %d to %d", text, leastWidth, frame.MaxDimension)
	}
	return width, nil
}

// shrinker makes snapshots smaller: one picture of a width for all who ask for it at that moment, and one picture at a time.
type shrinker struct {
	// take copies a frame of the stream, captured at or after notBefore.
	take     func(ctx context.Context, notBefore time.Time, b *[]byte, m *ring.Meta) error
	patience func() time.Duration // bounds take
	ctx      context.Context      // ends take
	scaling  sync.Mutex           // of the one that scales

	mu     sync.Mutex
	last   map[int]*shrunk // those on their way, by width; the newest of each
	closed bool
	wait   sync.WaitGroup
}

// shrunk is one smaller picture on its way. Guarded by shrinker.mu until done is closed, and not written afterwards.
type shrunk struct {
	width     int
	before    *shrunk   // of the same width, to be waited for; nil: none
	open      bool      // its frame has not come: who asks now may have it, too
	notBefore time.Time // when its frame may be captured at the earliest
	began     time.Time // when the frame was asked for
	done      chan struct{}

	jpg  []byte
	meta ring.Meta
	err  error
}

// smaller returns a frame captured at or after notBefore, not wider than width. The bytes are shared: they must not be written.
func (s *shrinker) smaller(ctx context.Context, notBefore time.Time, width int) ([]byte, *ring.Meta, error) {
	for {
		one, err := s.join(notBefore, width)
		if err != nil {
			return nil, nil, err
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		// Who joined while the frame was on its way may find it older than asked for: then the next one is theirs.
		if one.err != nil || !one.meta.Captured.Before(notBefore) || !one.began.Before(notBefore) {
			return one.jpg, &one.meta, one.err
		}
	}
}

// join returns the picture of a width that is to be waited for, a new one if none can be shared.
func (s *shrinker) join(notBefore time.Time, width int) (*shrunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[width]
	switch {
	case s.closed:
		return nil, context.Canceled
	case last != nil && last.open:
		if last.notBefore.Before(notBefore) {
			last.notBefore = notBefore
		}
		return last, nil
	case last == nil && len(s.last) >= maxWidths:
		return nil, errManyWidths
	}
	one := &shrunk{width: width, before: last, open: true, notBefore: notBefore, done: make(chan struct{})}
	s.last[width] = one
	s.wait.Go(func() { s.run(one) }) // whoever asked first may leave: the others wait on
	return one, nil
}

func (s *shrinker) run(one *shrunk) {
	if one.before != nil {
		<-one.before.done
	}
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	s.mu.Lock()
	one.before, one.began = nil, time.Now()
	notBefore := one.notBefore
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, s.patience())
	defer cancel()
	var meta ring.Meta
	err := s.take(ctx, notBefore, b, &meta)
	s.mu.Lock()
	one.open = false
	s.mu.Unlock()
	var jpg []byte
	if err == nil {
		jpg, err = s.scale(*b, one.width, &meta)
	}
	s.mu.Lock()
	one.jpg, one.meta, one.err = jpg, meta, err
	if s.last[one.width] == one {
		delete(s.last, one.width)
	}
	s.mu.Unlock()
	close(one.done)
}

func (s *shrinker) scale(jpg []byte, width int, m *ring.Meta) ([]byte, error) {
	quality := m.Quality
	if quality == 0 {
		quality = passedQuality
	}
	s.scaling.Lock()
	defer s.scaling.Unlock()
	small, err := picture.Shrink(jpg, picture.Limits{}, width, quality)
	if err != nil {
		return nil, err
	}
	defer small.Release()
	return small.Bytes(), nil
}

// close ends what is on its way and waits for it.
func (s *shrinker) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wait.Wait()
}
