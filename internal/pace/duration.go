package pace

import (
	"math"
	"time"
)

// Longest is the longest time between two pictures: one picture an hour.
const Longest = time.Hour

// MinFPS is the lowest frame rate, that of Longest.
const MinFPS = float64(time.Second) / float64(Longest)

// Period returns the time between two pictures at a frame rate, from 1 ns to Longest; 0 for +Inf (no pacing). Invalid rates (0, negative, NaN) give Longest.
func Period(fps float64) time.Duration {
	switch {
	case math.IsInf(fps, 1):
		return 0
	case !(fps > MinFPS):
		return Longest
	}
	return max(1, Duration(1/fps))
}

// Duration converts seconds to a time.Duration, clamping values out of its range; NaN becomes 0. Every number from outside must be converted here.
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
