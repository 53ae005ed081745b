package upload

import "time"

// rate is pictures per second over the last seconds.
type rate struct {
	began time.Time
	count int
	last  float64 // of the previous window
}

const rateWindow = 4 * time.Second

func (r *rate) add(now time.Time) {
	r.roll(now)
	if r.began.IsZero() {
		r.began = now
	}
	r.count++
}

func (r *rate) roll(now time.Time) {
	d := now.Sub(r.began)
	if r.began.IsZero() || d < rateWindow {
		return
	}
	r.last = float64(r.count) / d.Seconds()
	if d > 2*rateWindow { // a pause
		r.last = 0
	}
	r.began, r.count = now, 0
}

// perSecond returns the rate; 0 during the first window.
func (r *rate) perSecond(now time.Time) float64 {
	r.roll(now)
	return r.last
}
