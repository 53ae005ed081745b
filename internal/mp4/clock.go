package mp4

import "time"

// Clock gives a live stream's pictures their times. A picture is sent before it is known how long it will be shown, so its duration is a guess, and the
// next one's time may not be far behind the end of that: browsers take what comes more than twice the duration later for a new stream, and
// drop it up to the next key frame (Media Source Extensions, section 3.5.8). So a gap is made shorter: a viewer sees the next picture at once, and Sample.Captured
// keeps the truth. It is used by one goroutine.
type Clock struct {
	origin   time.Time // capture of the first picture
	last     int64     // of the last one, in ticks since
	time     uint64
	duration uint32
}

const (
	firstDuration = Timescale / 30
	minDuration   = Timescale / 240
	maxDuration   = 10 * Timescale
)

// Next returns the time and the duration of the picture that was taken at captured, in ticks.
func (c *Clock) Next(captured time.Time) (at uint64, duration uint32) {
	if c.origin.IsZero() {
		c.origin, c.duration = captured, firstDuration
		return 0, c.duration
	}
	now := Ticks(captured.Sub(c.origin))
	step := now - c.last
	c.last = now
	// The guess follows the steps, so a source of another rate is followed within some pictures.
	shown := min(step, 3*int64(c.duration)/2) // well below twice: browsers round
	c.time += uint64(max(shown, 1))
	guess := int64(c.duration) + (min(step, 4*int64(c.duration))-int64(c.duration))/4
	c.duration = uint32(min(max(guess, minDuration), maxDuration))
	return c.time, c.duration
}

// Ticks turns a duration into the track's clock.
func Ticks(d time.Duration) int64 { return d.Microseconds() * 9 / 100 }
