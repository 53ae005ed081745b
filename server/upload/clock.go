package upload

import "time"

// clock tells the time by which pictures grow old. It is the machine's, except that a step of it is believed only when it has lasted: a clock that runs
// ahead for a moment must not delete what is kept, and one that was never set, and learns the time while the server runs, makes the pictures from before
// that look decades old.
type clock struct {
	base    time.Time     // the machine's clock when it was last believed
	elapsed time.Duration // of the monotonic clock then
	stepped time.Duration // of the monotonic clock when a step was seen
	pending time.Duration // how far the step goes; 0: there is none
}

const (
	// largestStep is what clocks may be set by at once.
	largestStep = 5 * time.Minute
	// believeAfter is how long a larger step must have lasted.
	believeAfter = time.Hour
)

// now returns the time, of the machine's clock and of the monotonic one since any beginning, and how far a step goes that was seen just now; 0: none was.
// A step back is followed at once: nothing is deleted by it.
func (c *clock) now(machine time.Time, elapsed time.Duration) (t time.Time, step time.Duration) {
	machine = machine.Round(0)
	if c.base.IsZero() {
		c.base, c.elapsed = machine, elapsed
		return machine, 0
	}
	steady := c.base.Add(elapsed - c.elapsed)
	off := machine.Sub(steady)
	if off <= largestStep {
		c.base, c.elapsed, c.pending = machine, elapsed, 0
		return machine, 0
	}
	if c.pending == 0 || (off-c.pending).Abs() > largestStep { // or a step upon a step
		c.stepped, c.pending = elapsed, off
		return steady, off
	}
	if elapsed-c.stepped >= believeAfter {
		c.base, c.elapsed, c.pending = machine, elapsed, 0
		return machine, 0
	}
	return steady, 0
}
