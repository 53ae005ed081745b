package pipeline

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
)

// counters are written on the frame path, each by an atomic add.
type counters struct {
	captured, published, bytes          atomic.Uint64
	rate, encoder, ring, broken, missed atomic.Uint64
	restarts                            atomic.Uint64
	lastFrame                           atomic.Int64 // when the source last delivered, in nanoseconds since the pipeline's start
}

func (c *counters) dropped() Dropped {
	return Dropped{Rate: c.rate.Load(), Encoder: c.encoder.Load(), Ring: c.ring.Load(), Broken: c.broken.Load(), Missed: c.missed.Load()}
}

// second holds the measurements of a full second; State shows the last one.
type second struct {
	capturedFPS, fps, bytes float64
	encode                  Quantiles
}

// window collects the current second. Guarded by Pipeline.mu.
type window struct {
	began                     time.Time
	captured, published, size uint64 // the counters at its beginning
	delays                    [maxFPS + 16]time.Duration
	n                         int
}

func (w *window) add(d time.Duration) {
	if w.n < len(w.delays) {
		w.delays[w.n] = d
		w.n++
	}
}

// due reports whether the window can be closed: after a second, or, below one frame per second, when there is a frame to count or one is
// overdue.
func (w *window) due(now time.Time, c *counters, rate float64) bool {
	period := pace.Period(rate)
	return period <= time.Second || c.captured.Load() > w.captured && c.published.Load() > w.published || now.Sub(w.began) > 2*period+time.Second
}

// close ends the window and begins the next.
func (w *window) close(now time.Time, c *counters) second {
	var s second
	captured, published, size := c.captured.Load(), c.published.Load(), c.bytes.Load()
	if took := now.Sub(w.began).Seconds(); took > 0 {
		s.capturedFPS = float64(captured-w.captured) / took
		s.fps = float64(published-w.published) / took
		s.bytes = float64(size-w.size) / took
	}
	delays := w.delays[:w.n]
	slices.Sort(delays)
	s.encode = Quantiles{at(delays, 50), at(delays, 95), at(delays, 99)}
	w.began, w.captured, w.published, w.size, w.n = now, captured, published, size, 0
	return s
}

// at returns a percentile of sorted durations in milliseconds, 0 if there are none.
func at(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[(len(sorted)-1)*percent/100].Microseconds()) / 1000
}

// measure closes a window each second until the pipeline ends.
func (p *Pipeline) measure() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			p.mu.Lock()
			if p.window.due(now, &p.count, p.expected(p.rate())) {
				p.lastSecond = p.window.close(now, &p.count)
			}
			p.mu.Unlock()
			if p.video != nil {
				p.video.measure(now)
			}
			p.collectDrops()
		}
	}
}

// State returns the pipeline's current state.
func (p *Pipeline) State() State {
	settings := p.settings.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{
		Source: p.info, Encoder: p.encoderName, Workers: p.activeWorkers, Signal: p.signal, Reason: p.reason, NoPictures: p.noPictures, Idle: p.idle(),
		Interval:    p.interval.Seconds(),
		CapturedFPS: p.lastSecond.capturedFPS, WantedFPS: p.rate(), FPS: p.lastSecond.fps, BytesPerSec: p.lastSecond.bytes, EncodeMS: p.lastSecond.encode,
		Captured: p.count.captured.Load(), Published: p.count.published.Load(), Dropped: p.count.dropped(), Restarts: p.count.restarts.Load(),
		Settings: *settings, Controls: p.controls.version.Load(),
	}
	s.Newest = p.newest
	if p.video != nil {
		state := p.video.State()
		s.Video = &state
	}
	p.drops.fill(&s.Dropped)
	if p.session != nil {
		s.Source = p.session.source.Info() // it may know its size by now
		s.Can = p.can(p.session.source, settings)
	}
	return s
}

// publish makes a reserved slot the newest frame. p.mu is held.
func (p *Pipeline) publish(v reservation, picture *frame.Picture) {
	now := time.Now()
	if err := p.config.Ring.Publish(v, picture, now); err != nil {
		p.dropped(1, err)
		return
	}
	p.sequence++
	p.newest = Newest{p.sequence, picture.Captured, picture.Width, picture.Height, picture.Quality, picture.Size}
	if !picture.Substitute {
		p.healthy(true)
		p.count.published.Add(1)
		p.count.bytes.Add(uint64(picture.Size))
		p.window.add(now.Sub(picture.Captured))
	}
}
