package whep

import (
	"slices"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline"
)

// rates finds the bitrate of the one encoder from what the links of all viewers can carry.
type rates struct {
	mu      sync.Mutex
	viewers map[*session]struct{}
	end     chan struct{}
	limited bool
}

// adjustEvery is how often the bitrate is looked at: estimates follow the link within a second or two.
const adjustEvery = time.Second

func (r *rates) join(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewers == nil {
		r.viewers = map[*session]struct{}{}
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

// decided says whether the bitrate is as low as the viewers who decide want it: who still cannot follow must do with key frames.
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
		}
	}
}

// adjust gives each source the bitrate that its viewers can take, but the slowest third.
func (r *rates) adjust() {
	r.mu.Lock()
	targets := map[*pipeline.Video][]int{}
	for s := range r.viewers {
		targets[s.source] = append(targets[s.source], s.control.GetTargetBitrate())
	}
	r.limited = true
	r.mu.Unlock()
	for source, list := range targets {
		source.Limit(agreed(list))
	}
}

// agreed is the bitrate for links that can carry so much each, bits a second: what the slowest can that does not belong to the slowest third. A tenth
// of it is left for retransmissions and what else the link carries.
func agreed(targets []int) int {
	slices.Sort(targets)
	return max(leastRate, targets[len(targets)/3]*9/10)
}
