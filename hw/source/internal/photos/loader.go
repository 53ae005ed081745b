package photos

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// request asks for a photograph, or for the one that follows it in the folder's current contents.
type request struct {
	path string // "": the first
	next bool
	size uint64
}

type result struct {
	photo *photo
	err   error
}

// version identifies a file's contents, to detect changes.
type version struct {
	modified time.Time
	size     int64
}

// loader decodes and scales photographs in its own goroutine, the only one that uses it after the first load.
type loader struct {
	folder     string
	recursive  bool
	background color.Color
	bad        map[string]version // files that could not be decoded
	warned     map[string]bool    // problems already reported
	skipped    atomic.Int64
	warn       func(error)
	cache      map[string]*photo
	cached     int // bytes
	limit      int
	size       uint64 // of the photographs in the cache
	requests   chan request
	results    chan result
	stop       chan struct{}
	stopped    chan struct{}
}

func newLoader(folder string, c *Config) *loader {
	return &loader{
		folder: folder, recursive: c.Recursive, background: c.Background, warn: c.Warn, limit: c.CacheBytes,
		bad: map[string]version{}, warned: map[string]bool{}, cache: map[string]*photo{},
		requests: make(chan request, 1), results: make(chan result, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

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

// load lists the folder and returns the requested photograph, or the next one that can be decoded, wrapping around.
func (l *loader) load(r request) result {
	names, err := List(l.folder, l.recursive, func(err error) { l.warnOnce(err.Error(), err) })
	if err != nil {
		return result{err: err}
	}
	if r.size != l.size {
		clear(l.cache)
		l.cached, l.size = 0, r.size
	}
	l.forget(names)
	first, found := slices.BinarySearch(names, r.path)
	if found && r.next {
		first++
	}
	var last error
	for n := range names {
		select {
		case <-l.stop:
			return result{err: errClosed}
		default:
		}
		path := names[(first+n)%len(names)]
		now, err := versionOf(path)
		if err != nil { // deleted meanwhile
			last = err
			continue
		}
		if p := l.cache[path]; p != nil && p.version == now {
			return result{photo: p}
		}
		if was, ok := l.bad[path]; ok && was == now {
			continue
		}
		p, err := read(path, r.size, l.background)
		if err == nil {
			p.version = now
			delete(l.bad, path)
			l.keep(p)
			return result{photo: p}
		}
		last = err
		l.bad[path] = now
		l.warnOnce(path, err)
		l.skipped.Add(1)
	}
	if last == nil {
		last = errors.New("all were skipped before")
	}
	return result{err: fmt.Errorf("none of the %d photographs can be shown; the last: %w", len(names), last)}
}

// warnOnce reports a problem the first time.
func (l *loader) warnOnce(what string, err error) {
	if l.warn != nil && !l.warned[what] {
		l.warned[what] = true
		l.warn(fmt.Errorf("photos: skipped: %w", err))
	}
}

func versionOf(path string) (version, error) {
	info, err := os.Stat(path)
	if err != nil {
		return version{}, err
	}
	if !info.Mode().IsRegular() {
		return version{}, fmt.Errorf("%s is no longer a file", path)
	}
	return version{info.ModTime(), info.Size()}, nil
}

// forget drops what is no longer in the folder.
func (l *loader) forget(names []string) {
	for path, p := range l.cache {
		if _, found := slices.BinarySearch(names, path); !found {
			l.cached -= p.bytes()
			delete(l.cache, path)
		}
	}
	for path := range l.bad {
		if _, found := slices.BinarySearch(names, path); !found {
			delete(l.bad, path)
		}
	}
}

// keep caches p if there is room. In a cyclic order the newest is needed last, so nothing is evicted for it.
func (l *loader) keep(p *photo) {
	if old := l.cache[p.path]; old != nil {
		l.cached -= old.bytes()
		delete(l.cache, p.path)
	}
	if n := p.bytes(); l.cached+n <= l.limit {
		l.cache[p.path] = p
		l.cached += n
	}
}
