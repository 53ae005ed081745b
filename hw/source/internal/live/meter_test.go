package live

import (
	"testing"
	"time"
)

func TestMeterLearnsTheSendersInterval(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name     string
		gaps     []time.Duration // before each picture after the first
		repeated int             // how often
		from, to time.Duration
	}{
		{"one picture", nil, 0, 0, 0},
		{"two at once", []time.Duration{0}, 1, 0, 0},
		{"a few at once", []time.Duration{33 * ms}, 6, 0, 0},
		{"30 a second", []time.Duration{33 * ms}, 7, 33 * ms, 33 * ms},
		{"all at once", []time.Duration{0}, 7, 1, 1},
		{"slow", []time.Duration{10 * time.Second}, 1, 10 * time.Second, 10 * time.Second},
		{"slow, each picture twice", []time.Duration{0, 10 * time.Second}, 4, 10 * time.Second, 10 * time.Second},
		{"uneven", []time.Duration{4 * time.Second, 6 * time.Second, 5 * time.Second}, 3, 5 * time.Second, 6 * time.Second},
		{"faster after a pause", append([]time.Duration{20 * time.Second}, make([]time.Duration, 60)...), 1, 1, 10 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Meter
			now := time.Now()
			m.Arrived(now)
			for range c.repeated {
				for _, gap := range c.gaps {
					now = now.Add(gap)
					m.Arrived(now)
				}
			}
			if got := m.Interval(); got < c.from || got > c.to {
				t.Errorf("%v, want %v to %v", got, c.from, c.to)
			}
		})
	}
}
