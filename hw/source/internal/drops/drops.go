// Package drops counts the broken pictures that a live source skips itself, so that the next good one is delivered at once.
package drops

import "sync"

// Counter implements frame.Dropper. Its methods may be called from any goroutine.
type Counter struct {
	mu  sync.Mutex
	n   uint64
	why error
}

// Drop counts a picture that could not be used.
func (c *Counter) Drop(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.why = why
}

// Dropped returns the number of dropped pictures and the newest reason.
func (c *Counter) Dropped() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.why
}
