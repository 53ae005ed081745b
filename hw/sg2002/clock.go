//go:build linux && cgo

package sg2002

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hardwareClock is a time by this process's clock, and CLOCK_MONOTONIC at that moment: the clock of the hardware's stamps. Go's own monotonic clock
// runs beside it, but from another start.
var hardwareClock = sync.OnceValues(func() (at time.Time, mono time.Duration) {
	shortest := time.Hour
	for range 10 { // the kernel may run something else between the readings
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

// captured turns a time stamp of the hardware, microseconds of CLOCK_MONOTONIC, into a time; nonsense becomes now.
func captured(pts uint64) time.Time {
	at, mono := hardwareClock()
	now := time.Now()
	age := now.Sub(at) + mono - time.Duration(pts)*time.Microsecond
	if pts == 0 || age < 0 || age > 10*time.Second {
		return now
	}
	return now.Add(-age)
}
