package live

import (
	"sync/atomic"
	"time"
)

// Meter learns a sender's time between two pictures. Arrived belongs to the reading goroutine; Interval may be called from any.
type Meter struct {
	last    time.Time
	count   int
	longest time.Duration // fades as shorter ones follow
	known   atomic.Int64
}

const (
	// enough pictures tell the interval. Fewer do not: some senders send each picture twice, or a few at once at the beginning.
	enough = 8
	// long is an interval that needs no confirmation.
	long = time.Second
)

// Arrived records a picture.
func (m *Meter) Arrived(now time.Time) {
	if m.count++; m.count > 1 {
		m.longest = max(now.Sub(m.last), m.longest-m.longest/8)
	}
	m.last = now
	if m.count >= enough || m.longest >= long {
		m.known.Store(int64(max(1, m.longest)))
	}
}

// Interval implements frame.LiveSource.
func (m *Meter) Interval() time.Duration { return time.Duration(m.known.Load()) }
