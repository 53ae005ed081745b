package pace

import "time"

// Gate selects, by capture time, the pictures of a source that make up a wanted rate: on average exactly that rate, even if the source's rate is not a multiple of
// it, or jitters. The zero Gate is ready to use. It is not safe for concurrent use.
type Gate struct {
	due      time.Time     // when the next picture is wanted
	last     time.Time     // the source's last picture
	interval time.Duration // the source's, smoothed
}

// Pass reports whether the picture captured at t is wanted if period is the time between pictures; with period 0 every picture is.
func (g *Gate) Pass(t time.Time, period time.Duration) bool {
	step := t.Sub(g.last)
	switch {
	case g.last.IsZero():
	case step < 0 || step > maxStep: // the source's clock was set: start over
		g.due, g.interval = time.Time{}, 0
	case g.interval == 0:
		g.interval = step
	default:
		g.interval += (step - g.interval) / 8
	}
	g.last = t
	if g.due.IsZero() {
		g.due = t
	}
	// The picture nearest to the due time is the right one: half a source interval early is as good as half late.
	if t.Before(g.due.Add(-min(g.interval, period) / 2)) {
		return false
	}
	g.due = Next(g.due, t, period)
	return true
}

// Next returns the deadline a period after due, or t if it has passed by t: what was missed is not caught up with in a burst.
func Next(due, t time.Time, period time.Duration) time.Time {
	if due = due.Add(period); due.Before(t) {
		return t
	}
	return due
}

// maxStep is the longest time between two pictures that counts as a rate: more is a pause, or a clock that was set.
const maxStep = Longest

// Reset makes Pass want the next picture.
func (g *Gate) Reset() { g.due = time.Time{} }
