// Package drops counts the broken pictures that a live source leaves out by itself, so that the next good one goes out at once.
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

// Dropped returns how many there were, and the newest reason.
func (c *Counter) Dropped() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.why
}
