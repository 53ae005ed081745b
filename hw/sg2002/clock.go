//go:build linux && cgo

package sg2002

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hardwareClock returns the same moment by Go's clock and by CLOCK_MONOTONIC, the clock of the hardware's time stamps. Go's own monotonic clock
// runs at the same rate but from another zero.
var hardwareClock = sync.OnceValues(func() (at time.Time, mono time.Duration) {
	shortest := time.Hour
	for range 10 { // the process may be preempted between the readings
		var now unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			return time.Now(), 0
		}
		if took := time.Since(before); took < shortest {
			shortest, at, mono = took, before, time.Duration(now.Nano())
		}
	}
	return at, mono
})

// captured converts a hardware time stamp, microseconds of CLOCK_MONOTONIC, into a time. Implausible values become now.
func captured(pts uint64) time.Time {
	at, mono := hardwareClock()
	now := time.Now()
	age := now.Sub(at) + mono - time.Duration(pts)*time.Microsecond
	if pts == 0 || age < 0 || age > 10*time.Second {
		return now
	}
	return now.Add(-age)
}
