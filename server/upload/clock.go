package upload

import "time"

// clock is the time that determines a picture's age. It follows the machine's, but a step ahead counts only once it has lasted: a clock that runs
// ahead for a moment must not delete pictures, and when one that was never set is set while the server runs, earlier pictures look
// decades old.
type clock struct {
	base    time.Time     // the machine's clock when last accepted
	elapsed time.Duration // monotonic clock at that time
	stepped time.Duration // monotonic clock when a step was seen
	pending time.Duration // size of the step; 0: none
}

const (
	// largestStep is the largest step accepted at once.
	largestStep = 5 * time.Minute
	// acceptStepAfter is how long a larger step must have lasted.
	acceptStepAfter = time.Hour
)

// now returns the time, given the machine's clock and the monotonic one since any origin, and the size of a step first seen now; 0: none.
// A step back is accepted at once: it deletes nothing.
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
	if c.pending == 0 || (off-c.pending).Abs() > largestStep { // or a further step
		c.stepped, c.pending = elapsed, off
		return steady, off
	}
	if elapsed-c.stepped >= acceptStepAfter {
		c.base, c.elapsed, c.pending = machine, elapsed, 0
		return machine, 0
	}
	return steady, 0
}
