package whep

import (
	"slices"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline"
)

// rates computes the encoder's bitrate from the estimated capacity of all viewers' links.
type rates struct {
	mu      sync.Mutex
	viewers map[*session]struct{}
	end     chan struct{}
	limited bool
	fallen  chan struct{} // an estimate has fallen since the last adjustment; made by join
}

// adjustEvery is the interval between adjustments while no estimate falls: they rise slowly.
const adjustEvery = 500 * time.Millisecond

func (r *rates) join(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewers == nil {
		r.viewers, r.fallen = map[*session]struct{}{}, make(chan struct{}, 1)
	}
	r.viewers[s] = struct{}{}
	if len(r.viewers) == 1 {
		end := make(chan struct{})
		r.end = end
		s.server.running.Go(func() { r.run(end) })
	}
}

func (r *rates) leave(s *session) {
	r.mu.Lock()
	_, there := r.viewers[s]
	delete(r.viewers, s)
	last := there && len(r.viewers) == 0
	if last {
		close(r.end)
		r.limited = false
	}
	r.mu.Unlock()
	if last {
		s.server.cutter.forget()
		s.source.Limit(0)
	}
}

// decided reports whether the bitrate is as low as the deciding viewers want it: whoever still cannot keep up must make do with key frames.
func (r *rates) decided() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limited
}

func (r *rates) run(end chan struct{}) {
	tick := time.NewTicker(adjustEvery)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return
		case <-tick.C:
			r.adjust()
		case <-r.fallen:
			r.adjust()
		}
	}
}

// hurry makes the next adjustment happen at once. A viewer must have joined.
func (r *rates) hurry() {
	select {
	case r.fallen <- struct{}{}:
	default: // already requested
	}
}

// adjust sets each source's bitrate to what its viewers can receive, disregarding the slowest third.
func (r *rates) adjust() {
	r.mu.Lock()
	targets := map[*pipeline.Video][]int{}
	for s := range r.viewers {
		target := s.control.GetTargetBitrate()
		s.considered.Store(int64(target))
		targets[s.source] = append(targets[s.source], target-s.pacer.excess()) // what waits too long is sent within about a second
	}
	r.limited = true
	r.mu.Unlock()
	for source, list := range targets {
		source.Limit(agreed(list))
	}
}

// agreed returns the bitrate for links with these capacities, in bits per second: that of the slowest link outside the slowest third. A tenth
// is kept back for retransmissions and other traffic on the link.
func agreed(targets []int) int {
	slices.Sort(targets)
	return max(minRate, targets[len(targets)/3]*9/10)
}
