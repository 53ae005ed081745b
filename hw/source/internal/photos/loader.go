package photos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// list returns the paths of the photographs in a folder, by name.
func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".jpe", ".png":
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("folder %s: no photographs (.jpg, .png) in it (%d other entries)", folder, len(entries))
	}
	slices.Sort(names)
	return names, nil
}

// request asks for the photograph at index first, or the next one after it that can be decoded.
type request struct {
	first int
	size  uint64
}

type result struct {
	photo *photo
	err   error
}

// loader decodes and scales photographs beside the frames' path. Its goroutine is the only one that uses it after the first load.
type loader struct {
	names    []string
	bad      []bool
	skipped  atomic.Int64
	warn     func(error)
	cache    map[int]*photo
	cached   int // bytes
	limit    int
	size     uint64 // of what is in the cache
	requests chan request
	results  chan result
	stop     chan struct{}
	stopped  chan struct{}
}

func newLoader(names []string, limit int, warn func(error)) *loader {
	return &loader{
		names: names, bad: make([]bool, len(names)), warn: warn, cache: map[int]*photo{}, limit: limit,
		requests: make(chan request, 1), results: make(chan result, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// several tells whether there is another photograph to show.
func (l *loader) several() bool { return len(l.names)-int(l.skipped.Load()) > 1 }

func (l *loader) run() {
	defer close(l.stopped)
	for {
		select {
		case r := <-l.requests:
			select {
			case l.results <- l.load(r):
			case <-l.stop:
				return
			}
		case <-l.stop:
			return
		}
	}
}

// load returns the first photograph from r.first on, in a circle, that can be decoded.
func (l *loader) load(r request) result {
	if r.size != l.size {
		clear(l.cache)
		l.cached, l.size = 0, r.size
	}
	var last error
	for n := range l.names {
		select {
		case <-l.stop:
			return result{err: errClosed}
		default:
		}
		i := (r.first + n) % len(l.names)
		if p := l.cache[i]; p != nil {
			return result{photo: p}
		}
		if l.bad[i] {
			continue
		}
		p, err := read(l.names[i], i, r.size)
		if err == nil {
			l.keep(p)
			return result{photo: p}
		}
		last = err
		l.bad[i] = true
		if l.warn != nil {
			l.warn(fmt.Errorf("photos: skipped: %w", err))
		}
		l.skipped.Add(1)
	}
	if last == nil {
		last = errors.New("all were skipped before")
	}
	return result{err: fmt.Errorf("none of the %d photographs can be shown; the last: %w", len(l.names), last)}
}

// keep caches p while there is room. In a round trip the newest is needed last, so nothing makes way for it.
func (l *loader) keep(p *photo) {
	if n := p.bytes(); l.cached+n <= l.limit {
		l.cache[p.index] = p
		l.cached += n
	}
}
