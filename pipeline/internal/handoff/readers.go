package handoff

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Readers is the set of readers that a producer wakes. The list is copied on change, so that the producer takes no lock. The zero Readers is empty.
type Readers struct {
	list atomic.Pointer[[]*Reader]
	mu   sync.Mutex
}

// Reader is one of Readers.
type Reader struct {
	wake   func()
	notify chan struct{}
}

// Add adds a reader. wake is called in the producer's goroutine and must neither block nor allocate; with nil, Updates signals instead.
func (r *Readers) Add(wake func()) *Reader {
	one := &Reader{wake: wake}
	if wake == nil {
		one.notify = make(chan struct{}, 1)
		one.wake = func() {
			select {
			case one.notify <- struct{}{}:
			default: // already signalled
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := append(slices.Clone(r.all()), one)
	r.list.Store(&list)
	return one
}

// Remove ends a reader; it may do so twice.
func (r *Readers) Remove(one *Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(r.all()), func(other *Reader) bool { return other == one })
	r.list.Store(&list)
}

// Wake wakes all. It neither blocks nor allocates.
func (r *Readers) Wake() {
	for _, one := range r.all() {
		one.wake()
	}
}

func (r *Readers) all() []*Reader {
	if list := r.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Updates receives a value if Wake has been called since the last one was received. It is nil for readers with a wake function.
func (r *Reader) Updates() <-chan struct{} { return r.notify }
