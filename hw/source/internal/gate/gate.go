// Package gate leaves pictures out of a stream that comes at its own pace, so that at most a wanted number a second remain.
package gate

import (
	"math"
	"time"
)

// Gate belongs to one goroutine. The zero Gate lets everything through.
type Gate struct {
	interval time.Duration
	due      time.Time
}

// SetFPS changes the rate; +Inf lets everything through. The next picture passes.
func (g *Gate) SetFPS(fps float64) {
	g.interval, g.due = 0, time.Time{}
	if !math.IsInf(fps, 1) {
		g.interval = time.Duration(float64(time.Second) / fps)
	}
}

// Pass tells whether a picture that came at now may pass. One that comes a little early passes, and what it was early by is added to the
// next one's time: the rate over many pictures is right though each comes when it likes.
func (g *Gate) Pass(now time.Time) bool {
	if g.interval == 0 {
		return true
	}
	if g.due.Sub(now) > g.interval/8 {
		return false
	}
	if late := now.Sub(g.due); late > g.interval { // a pause, not jitter
		g.due = now
	}
	g.due = g.due.Add(g.interval)
	return true
}
