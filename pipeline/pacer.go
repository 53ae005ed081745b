package pipeline

import "time"

// pacer chooses, by capture time, which pictures of a source make the wanted rate: on average exactly that, also when the
// source's rate is no multiple of it or jitters. It is used by one goroutine.
type pacer struct {
	due      time.Time     // when the next picture is wanted
	last     time.Time     // the source's last picture
	interval time.Duration // the source's, smoothed
}

// take says whether the picture captured at t is wanted at period between pictures.
func (p *pacer) take(t time.Time, period time.Duration) bool {
	if !p.last.IsZero() {
		if step := t.Sub(p.last); p.interval == 0 {
			p.interval = step
		} else {
			p.interval += (step - p.interval) / 8
		}
	}
	p.last = t
	if p.due.IsZero() {
		p.due = t
	}
	// The picture nearest to the due time is the right one: half the source's interval early is as good as half late.
	early := p.interval / 2
	if early > period/2 {
		early = period / 2
	}
	if t.Before(p.due.Add(-early)) {
		return false
	}
	p.due = p.due.Add(period)
	if late := t.Sub(p.due); late > 0 { // the source is slower than wanted: don't save up for a burst
		p.due = t
	}
	return true
}

// reset makes the next picture wanted at once.
func (p *pacer) reset() { p.due = time.Time{} }
