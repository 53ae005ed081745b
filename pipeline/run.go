package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// abandonAfter is how long a source may take to end a read or a Close before it is abandoned.
	abandonAfter = time.Second
)

// errReopen ends a session whose settings require a new one.
var errReopen = errors.New("settings changed")

// run opens the source again and again until the pipeline ends.
func (p *Pipeline) run() error {
	backoff := firstBackoff
	p.unknown = unknownInterval
	for {
		frames := p.count.captured.Load()
		err := p.runSession()
		switch {
		case p.ctx.Err() != nil:
			return nil
		case errors.Is(err, errReopen), errors.Is(err, frame.ErrReopen):
			backoff = firstBackoff
			continue
		case p.config.EndIsFinal && isFinal(err), errors.Is(err, frame.ErrStuck):
			p.signalLost(p.reasonOf(err))
			return err
		}
		if p.count.captured.Load() > frames {
			backoff = firstBackoff
		}
		why, wait := p.reasonOf(err), backoff/2+rand.N(backoff) // jitter, so that many boards do not reconnect at once
		fields := []zap.Field{zap.Error(err)}
		var busy *frame.BusyError
		if errors.As(err, &busy) && busy.Wait > wait {
			wait = busy.Wait
			fields = append(fields, zap.Duration("next_try_in", wait))
			why += "; next attempt at " + time.Now().Add(wait).Format(time.TimeOnly)
		}
		if p.signalLost(why) {
			p.config.Log.Warn("no signal; trying again", fields...)
		}
		if !p.pause(wait, why) {
			return nil
		}
		backoff = min(2*backoff, p.config.Retry)
		p.count.restarts.Add(1)
		p.mu.Lock()
		p.healthy(false)
		p.mu.Unlock()
	}
}

// isFinal reports whether reopening the source would have the same result.
func isFinal(err error) bool {
	return errors.Is(err, frame.ErrEnd) || errors.Is(err, frame.ErrNoPicture) || errors.Is(err, frame.ErrUnsupported)
}

// reasonOf returns an error as shown to viewers.
func (p *Pipeline) reasonOf(err error) string {
	if err == nil {
		return "the source ended"
	}
	return p.config.Explain(err)
}

// pause waits before the source is opened again, and shows the substitute picture meanwhile. It returns false if the pipeline ends.
func (p *Pipeline) pause(wait time.Duration, why string) bool {
	until := time.Now().Add(wait)
	for {
		p.showNoSignal(why)
		left := time.Until(until)
		if left <= 0 {
			return p.ctx.Err() == nil
		}
		p.mu.Lock()
		p.healthy(false) // a server may ask for minutes
		p.mu.Unlock()
		select {
		case <-p.ctx.Done():
			return false
		case <-time.After(min(left, time.Second)):
		}
	}
}

// showNoSignal publishes the substitute picture, at most about once a second.
func (p *Pipeline) showNoSignal(why string) {
	if p.config.NoSignal == nil {
		return
	}
	p.mu.Lock()
	recent := p.substituted && time.Since(p.newest.Captured) < 900*time.Millisecond
	p.mu.Unlock()
	if recent {
		return
	}
	s := p.settings.Load()
	jpeg, err := p.config.NoSignal(why, s.Width, s.Height)
	if err != nil {
		p.config.Log.Debug("drawing the no-signal picture failed", zap.Error(err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signal && p.noPictures == "" { // the first picture came meanwhile
		return
	}
	slot, ok := p.config.Ring.Reserve()
	if !ok {
		return
	}
	picture := frame.Picture{Size: copy(slot.Buffer(p.config.Ring), jpeg), Width: s.Width, Height: s.Height, Captured: time.Now(), Substitute: true}
	if picture.Size < len(jpeg) {
		p.config.Ring.Discard(slot)
		return
	}
	p.publish(slot, &picture)
	p.substituted = true
}

// signalLost records that the source is away and reports whether that is new: an outage is logged once, not at each attempt.
func (p *Pipeline) signalLost(why string) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = !p.away
	p.signal, p.away, p.reason = false, true, why
	return news
}

// signalCame records a session's first picture; an abandoned session no longer counts.
func (p *Pipeline) signalCame(s *session) {
	p.mu.Lock()
	if s.ctx.Err() != nil {
		p.mu.Unlock()
		return
	}
	back := p.away
	p.signal, p.away, p.reason, p.substituted = true, false, "", false
	p.mu.Unlock()
	if back {
		p.config.Log.Info("signal restored", zap.String("source", s.source.Info().Name))
	} else {
		p.config.Log.Info("source running", zap.String("source", s.source.Info().Name), zap.String("encoder", s.encoderName()))
	}
}

// runSession opens the source once and runs it until it ends.
func (p *Pipeline) runSession() error {
	settings := *p.settings.Load()
	source, err := p.open(settings)
	if err != nil {
		return err
	}
	s := &session{pipeline: p, source: source, done: make(chan struct{}), tune: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(p.ctx)
	defer s.cancel(nil)
	if err := s.prepare(); err != nil {
		p.closeSource(source, patience())
		return err
	}
	p.mu.Lock()
	p.session = s
	p.info, p.interval = source.Info(), 0
	p.encoderName, p.activeWorkers = s.encoderName(), len(s.encoders)
	p.mu.Unlock()
	p.count.lastFrame.Store(int64(time.Since(p.started)))
	p.retune()

	go s.capture()
	go s.followControls()
	err = p.oversee(s)

	p.mu.Lock()
	p.collectFrom(s)
	p.session = nil
	p.mu.Unlock()
	return err
}

// open opens the source; it returns early if the pipeline ends.
func (p *Pipeline) open(settings Settings) (frame.Source, error) {
	type opened struct {
		source frame.Source
		err    error
	}
	result := make(chan opened, 1)
	go func() {
		s, err := p.config.Open(p.ctx, settings)
		if err == nil {
			p.restoreControls(s)
		}
		result <- opened{s, err}
	}()
	select {
	case o := <-result:
		return o.source, o.err
	case <-p.ctx.Done():
	}
	over := patience()
	select {
	case o := <-result:
		if o.err == nil {
			p.closeSource(o.source, over)
		}
	case <-over:
		p.config.Log.Warn("opening the source timed out; abandoning it")
		go func() {
			if o := <-result; o.err == nil {
				_ = o.source.Close()
			}
		}()
	}
	return nil, p.ctx.Err()
}

// oversee waits for a session's end, and ends it if the source stalls.
func (p *Pipeline) oversee(s *session) error {
	tick := time.NewTicker(min(p.config.StallTimeout, time.Second))
	defer tick.Stop()
	// A source set to one picture in ten seconds is not late because thirty per second are wanted now: the slowest rate since its last picture
	// counts.
	rate := p.rate()
	slowest, last := rate, p.count.lastFrame.Load()
	live, _ := s.source.(frame.LiveSource)
	changed := make(chan struct{}, 1)
	go s.follow(changed)
	for {
		select {
		case <-s.done:
			p.closeSource(s.source, patience())
			return s.err
		case <-s.ctx.Done():
			return s.end(context.Cause(s.ctx))
		case <-s.tune:
			rate = p.rate()
			slowest = min(slowest, rate)
			select {
			case changed <- struct{}{}:
			default: // already pending
			}
		case <-tick.C:
			info := s.source.Info() // it may have learned another rate
			if now := p.count.lastFrame.Load(); now != last {
				slowest, last = rate, now
			}
			var extra time.Duration
			p.mu.Lock()
			p.info = info
			if live != nil {
				p.interval = live.Interval()
				if p.interval == 0 {
					extra = p.unknown
				}
			}
			allowed := p.config.StallTimeout + 2*pace.Period(p.expected(slowest))
			p.mu.Unlock()
			silent := time.Since(p.started) - time.Duration(max(last, s.paused.Load()))
			switch {
			case silent > allowed+extra:
				if live != nil {
					p.learn(live.Interval())
				}
				return s.end(p.silence(silent, time.Since(p.started)-silent))
			case silent > allowed && !s.good.Load():
				p.awaitFirst(s, p.silence(silent, time.Since(p.started)-silent))
			case extra > 0:
				p.mu.Lock()
				p.healthy(false)
				p.mu.Unlock()
			}
		}
	}
}

// unknownInterval is how much longer a live source may be silent while its sender's interval is unknown: at first, and at most.
const (
	unknownInterval    = 20 * time.Second
	maxUnknownInterval = time.Minute
)

// learn adapts that time to a session that ended in silence: a sender whose interval was known may be reopened as soon as it is late again, and one
// whose interval was not gets twice the time.
func (p *Pipeline) learn(interval time.Duration) {
	if interval > 0 {
		p.unknown = 2 * interval
	} else {
		p.unknown = 2 * max(p.unknown, p.config.StallTimeout)
	}
	p.unknown = min(p.unknown, maxUnknownInterval)
}

// awaitFirst shows why there is no picture while a live source is given more time for its first one.
func (p *Pipeline) awaitFirst(s *session, err error) {
	p.mu.Lock()
	p.healthy(false)
	if s.good.Load() { // meanwhile
		p.mu.Unlock()
		return
	}
	news := !p.away
	p.signal, p.away, p.reason = false, true, p.reasonOf(err)
	p.mu.Unlock()
	if news {
		p.config.Log.Warn("no signal; still waiting", zap.Error(err))
	}
	p.showNoSignal(p.reasonOf(err))
}

// silence returns the error of a source that has delivered nothing since a time after the pipeline's start; it includes the reason of drops since then.
func (p *Pipeline) silence(lasted, since time.Duration) error {
	p.collectDrops()
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := &p.drops; d.reason != "" && d.at.Sub(p.started) > since {
		return fmt.Errorf("%w: no picture for %.1f s that can be shown: %s", frame.ErrGone, lasted.Seconds(), d.reason)
	}
	return fmt.Errorf("%w: no picture for %.1f s", frame.ErrGone, lasted.Seconds())
}
