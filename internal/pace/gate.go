package pace

import "time"

// Gate chooses, by capture time, which pictures of a source make the wanted rate: on average exactly that, also when the source's rate is no multiple of
// it or jitters. The zero Gate is ready. One goroutine uses it.
type Gate struct {
	due      time.Time     // when the next picture is wanted
	last     time.Time     // the source's last picture
	interval time.Duration // the source's, smoothed
}

// Pass says whether the picture captured at t is wanted, at period between pictures; 0 wants all.
func (g *Gate) Pass(t time.Time, period time.Duration) bool {
	step := t.Sub(g.last)
	switch {
	case g.last.IsZero():
	case step < 0 || step > maxStep: // the source's clock was set: begin again
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
	// The picture nearest to the due time is the right one: half the source's interval early is as good as half late.
	if t.Before(g.due.Add(-min(g.interval, period) / 2)) {
		return false
	}
	g.due = g.due.Add(period)
	if late := t.Sub(g.due); late > 0 { // the source is slower than wanted: don't save up for a burst
		g.due = t
	}
	return true
}

// maxStep between two pictures is no rate: a longer one is a pause, or a clock that was set.
const maxStep = Longest

// Reset makes the next picture wanted at once.
func (g *Gate) Reset() { g.due = time.Time{} }
