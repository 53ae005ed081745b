package whep

import (
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	const ms = time.Millisecond
	var g gate
	for i, step := range []struct {
		backlog     time.Duration
		key         bool
		adds        time.Duration // the key frame's own
		passes      bool
		keyRequired bool
	}{
		{0, true, 500 * ms, true, false},
		{470 * ms, false, 0, true, false}, // the key frame is being sent
		{700 * ms, false, 0, true, false},
		{150 * ms, false, 0, true, false},
		{300 * ms, false, 0, false, false}, // the key frame is no excuse any more
		{250 * ms, true, 0, false, false},  // not even a key frame before the rest is sent
		{90 * ms, false, 0, false, true},
		{60 * ms, false, 0, false, true},
		{30 * ms, true, 100 * ms, true, false},
		{110 * ms, false, 0, true, false},
		{310 * ms, true, 0, false, false}, // a key frame may start no new backlog either
	} {
		passes := g.passes(step.backlog, step.key)
		if passes && step.key {
			g.key = step.adds
		}
		if passes != step.passes || g.awaitsKey(step.backlog) != step.keyRequired {
			t.Errorf("step %d: passes %v, key frame required %v", i, passes, g.awaitsKey(step.backlog))
		}
	}
}
