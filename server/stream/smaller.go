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
	minWidth = 16 // least ?width= of /snapshot, in pixels
	// maxWidths limits the widths in progress, which are made one after the other; requests for further ones are refused meanwhile.
	maxWidths = 4
	// fallbackQuality is used for pictures of unknown quality.
	fallbackQuality = 80
)

var errTooManyWidths = fmt.Errorf("pictures of %d other widths are in progress: retry, or use one of those widths", maxWidths)

// requestedWidth returns the query's width, or 0 for the original size.
func requestedWidth(query url.Values) (int, error) {
	text := query.Get("width")
	if text == "" {
		return 0, nil
	}
	width, err := strconv.Atoi(text)
	if err != nil || width < minWidth || width > frame.MaxDimension {
		return 0, fmt.Errorf("width=%.40q: want a number of pixels from %d to %d", text, minWidth, frame.MaxDimension)
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
		p, err := s.join(notBefore, width)
		if err != nil {
			return nil, nil, err
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		// If the caller joined while the frame was on its way, it may be too old: then the next one is theirs.
		if p.err != nil || !p.meta.Captured.Before(notBefore) || !p.began.Before(notBefore) {
			return p.jpg, &p.meta, p.err
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
		return nil, errTooManyWidths
	}
	next := &shrunk{width: width, before: last, open: true, notBefore: notBefore, done: make(chan struct{})}
	s.last[width] = next
	s.wait.Go(func() { s.run(next) }) // whoever asked first may leave: the others still wait
	return next, nil
}

func (s *shrinker) run(p *shrunk) {
	if p.before != nil {
		<-p.before.done
	}
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	s.mu.Lock()
	p.before, p.began = nil, time.Now()
	notBefore := p.notBefore
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, s.patience())
	defer cancel()
	var meta ring.Meta
	err := s.take(ctx, notBefore, b, &meta)
	s.mu.Lock()
	p.open = false
	s.mu.Unlock()
	var jpg []byte
	if err == nil {
		jpg, err = s.scale(*b, p.width, &meta)
	}
	s.mu.Lock()
	p.jpg, p.meta, p.err = jpg, meta, err
	if s.last[p.width] == p {
		delete(s.last, p.width)
	}
	s.mu.Unlock()
	close(p.done)
}

func (s *shrinker) scale(jpg []byte, width int, m *ring.Meta) ([]byte, error) {
	quality := m.Quality
	if quality == 0 {
		quality = fallbackQuality
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

// close refuses further requests and waits for the pictures in progress.
func (s *shrinker) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wait.Wait()
}
