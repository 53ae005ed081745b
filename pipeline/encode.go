package pipeline

import (
	"fmt"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
)

// job is one raw frame on its way through a worker.
type job struct {
	frame   frame.Frame
	slot    reservation
	picture frame.Picture
	state   jobState
}

type jobState uint8

const (
	jobWaiting jobState = iota
	jobEncoding
	jobDone   // publish it when its turn comes
	jobFailed // drop it when its turn comes
)

// jobs is a bounded queue: waiting frames, and frames being encoded, in the order of capture. All jobs are allocated once.
type jobs struct {
	mu       sync.Mutex
	wake     sync.Cond
	waiting  []*job
	inFlight []*job
	free     []*job
	workers  int
	closed   bool
}

func (q *jobs) init(workers int) {
	q.wake.L = &q.mu
	q.workers = workers
	// One waiting frame per worker keeps them all busy; more would only add delay. While one frame is slow, the others may run ahead by as many again.
	// Another frame is being captured, so that one is always free for the next.
	total := workers + 2*workers + 1
	for range total {
		q.free = append(q.free, &job{})
	}
	q.waiting = make([]*job, 0, total)
	q.inFlight = make([]*job, 0, total)
}

// take returns an empty job for capture; init made enough of them.
func (q *jobs) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.free[len(q.free)-1]
	q.free = q.free[:len(q.free)-1]
	return j
}

// push queues a filled job. If too many wait, the oldest is dropped: dropped returns true, to be counted.
func (q *jobs) push(j *job) (dropped bool) {
	q.mu.Lock()
	var old *job
	if len(q.waiting) == q.workers {
		old = q.waiting[0]
		copy(q.waiting, q.waiting[1:])
		q.waiting = q.waiting[:len(q.waiting)-1]
		q.free = append(q.free, old)
	}
	j.state = jobWaiting
	q.waiting = append(q.waiting, j)
	if old != nil {
		old.frame.Release()
	}
	q.mu.Unlock()
	q.wake.Signal()
	return old != nil
}

// giveBack returns an unused job.
func (q *jobs) giveBack(j *job) {
	q.mu.Lock()
	q.free = append(q.free, j)
	q.mu.Unlock()
}

// next waits for a frame to encode; it returns nil when the queue is closed and empty.
func (q *jobs) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.inFlight) == 2*q.workers || len(q.waiting) == 0 {
		if q.closed && len(q.waiting) == 0 {
			return nil
		}
		q.wake.Wait()
	}
	j := q.waiting[0]
	copy(q.waiting, q.waiting[1:])
	q.waiting = q.waiting[:len(q.waiting)-1]
	j.state = jobEncoding
	q.inFlight = append(q.inFlight, j)
	return j
}

// close ends the workers when the queue is empty; drop discards what waits.
func (q *jobs) close(drop bool) {
	q.mu.Lock()
	q.closed = true
	if drop {
		for _, j := range q.waiting {
			j.frame.Release()
		}
		q.waiting = q.waiting[:0]
	}
	q.mu.Unlock()
	q.wake.Broadcast()
}

// captureRaw reads frames into the queue.
func (s *session) captureRaw(source frame.RawSource) error {
	var j *job
	for s.ctx.Err() == nil {
		if j == nil {
			j = s.jobs.take()
		}
		if err := source.ReadFrame(s.ctx, &j.frame); err != nil {
			if s.broken(err) {
				continue
			}
			s.jobs.giveBack(j)
			return err
		}
		if !s.arrived(j.frame.Captured, j.frame.Sequence) {
			j.frame.Release()
			continue
		}
		s.video.Load().offer(&j.frame)
		if s.jobs.push(j) {
			s.pipeline.count.encoder.Add(1)
		}
		j = nil
	}
	return s.ctx.Err()
}

// work runs one worker.
func (s *session) work(i int) {
	p := s.pipeline
	for {
		j := s.jobs.next()
		if j == nil {
			return
		}
		p.mu.Lock()
		slot, ok := p.config.Ring.Reserve()
		p.mu.Unlock()
		state := jobFailed
		if !ok {
			p.count.ring.Add(1)
		} else {
			j.slot = slot
			if err := s.encode(i, j); err != nil {
				p.mu.Lock()
				p.dropped(1, fmt.Errorf("encoding failed: %w", err))
				p.config.Ring.Discard(slot)
				p.mu.Unlock()
			} else {
				state = jobDone
			}
		}
		j.frame.Release()
		s.finish(j, state)
	}
}

// encode applies the look to the frame and writes its JPEG into the job's slot.
func (s *session) encode(i int, j *job) error {
	settings := s.pipeline.settings.Load()
	f := &j.frame
	if i < len(s.transforms) {
		look := frame.Look{View: *s.pipeline.controls.zoom.view.Load(), Mirror: settings.Mirror, Flip: settings.Flip, Rotate: settings.Rotate, Overlay: settings.Overlay}
		if look != (frame.Look{}) {
			var err error
			if f, err = s.transforms[i].Apply(f, &look); err != nil {
				return err
			}
		}
	}
	size, err := s.encoders[i].Encode(j.slot.Buffer(s.pipeline.config.Ring), f, settings.Quality)
	if err != nil {
		return err
	}
	j.picture = frame.Picture{
		Size: size, Width: f.Width, Height: f.Height, Quality: settings.Quality,
		Captured: j.frame.Captured, Sequence: j.frame.Sequence,
	}
	return nil
}

// finish marks a job as done and publishes every job whose turn has come: this one, if those before it are done, and those
// after it that only waited for it.
func (s *session) finish(j *job, state jobState) {
	p, q := s.pipeline, &s.jobs
	p.mu.Lock()
	defer p.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	j.state = state
	for len(q.inFlight) > 0 && q.inFlight[0].state >= jobDone {
		first := q.inFlight[0]
		copy(q.inFlight, q.inFlight[1:])
		q.inFlight = q.inFlight[:len(q.inFlight)-1]
		if first.state == jobDone {
			if s.ctx.Err() == nil {
				p.publish(first.slot, &first.picture)
			} else {
				p.config.Ring.Discard(first.slot)
			}
		}
		q.free = append(q.free, first)
	}
	q.wake.Broadcast()
}
