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
	leastWidth = 16 // least ?width= of /snapshot, in pixels
	// maxWidths limits the widths in progress, which are made one after the other; requests for further ones are refused meanwhile.
	maxWidths = 4
	// passedQuality is used for pictures of unknown quality.
	passedQuality = 80
)

var errManyWidths = fmt.Errorf("pictures of %d other widths are in progress: retry, or use one of those widths", maxWidths)

// askedWidth returns the query's width, or 0 for the original size.
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

// shrinker scales snapshots down: concurrent requests for one width share a picture, and one picture is scaled at a time.
type shrinker struct {
	// take copies a frame of the stream captured at or after notBefore.
	take     func(ctx context.Context, notBefore time.Time, b *[]byte, m *ring.Meta) error
	patience func() time.Duration // bounds take
	ctx      context.Context      // ends take
	scaling  sync.Mutex           // serializes scaling

	mu     sync.Mutex
	last   map[int]*shrunk // in progress, by width; the newest of each
	closed bool
	wait   sync.WaitGroup
}

// shrunk is a smaller picture in progress. It is guarded by shrinker.mu until done is closed, and read-only afterwards.
type shrunk struct {
	width     int
	before    *shrunk   // predecessor of the same width, to wait for; nil: none
	open      bool      // its frame has not arrived: further requests may share it
	notBefore time.Time // earliest capture time of its frame
	began     time.Time // when the frame was requested
	done      chan struct{}

	jpg  []byte
	meta ring.Meta
	err  error
}

// smaller returns a frame captured at or after notBefore, at most width pixels wide. The bytes are shared and must not be modified.
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
		// If the caller joined while the frame was on its way, it may be too old: then the next one is theirs.
		if one.err != nil || !one.meta.Captured.Before(notBefore) || !one.began.Before(notBefore) {
			return one.jpg, &one.meta, one.err
		}
	}
}

// join returns the picture of that width to wait for, a new one if none can be shared.
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
	s.wait.Go(func() { s.run(one) }) // whoever asked first may leave: the others still wait
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

// close cancels the pictures in progress and waits for them.
func (s *shrinker) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wait.Wait()
}
