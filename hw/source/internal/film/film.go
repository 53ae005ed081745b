// Package film times the playback of a video file: it keeps the file's own rate, and skips pictures to show fewer.
package film

import (
	"context"
	"math"
	"sync"

	"github.com/maixstream/maixstream/internal/pace"
)

// Rate returns num/den pictures per second, or 0 if a file's header has none that makes sense: up to 1000.
func Rate(num, den uint64) float64 {
	if fps := float64(num) / float64(den); num > 0 && den > 0 && fps <= 1000 {
		return fps
	}
	return 0
}

// Clock decides which picture of a film is due. Next belongs to one goroutine; the other methods may be called from any.
type Clock struct {
	pacer *pace.Pacer
	ahead float64 // used by Next: how many pictures the film is ahead of what was shown

	mu   sync.Mutex
	own  float64 // the film's rate
	most float64 // the requested maximum
	free bool    // the film has no rate of its own
}

// New returns a clock. own is the film's rate, or 0 if it has none: it then plays at most, or at byDefault. most is the maximum number of pictures per second;
// 0: the film's own rate; +Inf: as fast as they are read.
func New(own, most, byDefault float64) (*Clock, error) {
	if most != 0 {
		if err := pace.CheckFPS(most); err != nil {
			return nil, err
		}
	}
	c := &Clock{own: own, most: most}
	if own < pace.MinFPS || own > pace.MaxFPS {
		c.free = true
		if c.own = most; most == 0 || math.IsInf(most, 1) {
			c.own = byDefault
		}
	}
	if most == 0 {
		c.most = c.own
	}
	c.pacer = pace.New(c.rate())
	return c, nil
}

// rate returns the pacer's rate.
func (c *Clock) rate() float64 {
	if math.IsInf(c.most, 1) {
		return c.most
	}
	return min(c.own, c.most)
}

// FPS returns how many pictures per second are shown.
func (c *Clock) FPS() float64 { return c.pacer.FPS() }

// SetFPS changes the maximum number of pictures per second.
func (c *Clock) SetFPS(most float64) error {
	if err := pace.CheckFPS(most); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = most
	if c.free && !math.IsInf(most, 1) {
		c.own = max(c.own, most)
	}
	return c.pacer.SetFPS(c.rate())
}

// Next waits until a picture is due, and returns how many of the film's pictures to skip before it.
func (c *Clock) Next(ctx context.Context, closed error) (skip int, err error) {
	if _, err := c.pacer.Wait(ctx, closed); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most >= c.own {
		c.ahead = 0
		return 0, nil
	}
	c.ahead += c.own/c.most - 1
	skip = int(c.ahead)
	c.ahead -= float64(skip)
	return skip, nil
}

// Done is closed by Close.
func (c *Clock) Done() <-chan struct{} { return c.pacer.Done() }

// Close ends a waiting Next and all later ones. It may be called twice.
func (c *Clock) Close() { c.pacer.Close() }
