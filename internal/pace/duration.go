package pace

import (
	"math"
	"time"
)

// Longest is the most time between two pictures: one an hour.
const Longest = time.Hour

// MinFPS is the lowest rate, that of Longest.
const MinFPS = float64(time.Second) / float64(Longest)

// Period returns the time between two pictures at a rate, 1 ns to Longest; 0 for +Inf (no pacing). Rates that are none (0, negative, NaN) give Longest.
func Period(fps float64) time.Duration {
	switch {
	case math.IsInf(fps, 1):
		return 0
	case !(fps > MinFPS):
		return Longest
	}
	return max(1, Duration(1/fps))
}

// Duration turns seconds into a time.Duration. What is beyond its range is clamped, and NaN is 0: numbers from outside must pass through here.
func Duration(seconds float64) time.Duration {
	const most = float64(math.MaxInt64) / float64(time.Second)
	switch {
	case math.IsNaN(seconds):
		return 0
	case seconds >= most:
		return math.MaxInt64
	case seconds <= -most:
		return math.MinInt64
	}
	return time.Duration(seconds * float64(time.Second))
}
