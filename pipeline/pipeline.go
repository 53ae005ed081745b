// Package pipeline runs a source into a ring at the wanted rate: it paces, encodes raw frames on all cores, keeps statistics,
// idles without viewers, supervises the source and reopens it when it is gone.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
)

type reservation = ring.Reservation

// Pipeline runs one source into a ring. Its methods are safe for concurrent use.
type Pipeline struct {
	config   Config
	started  time.Time
	count    counters
	settings atomic.Pointer[Settings] // replaced as a whole
	controls controls
	idleFPS  atomic.Uint64 // math.Float64bits
	watchers atomic.Int64
	resting  atomic.Bool // there has been no viewer for restAfter

	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	done   chan struct{} // closed when the pipeline has ended, by Close or with the source
	ended  error         // the cause, set before done is closed

	unknown time.Duration // see unknownInterval; of the goroutine that runs the sessions

	changing sync.Mutex // one Change at a time
	stills   stills
	video    *Video // nil: none

	// mu guards what follows and serialises the ring's producer calls. It is held while a frame is published, which
	// includes the sends that the producer makes itself (up to 2 ms, server/internal/fanout), never while encoding or reading.
	mu            sync.Mutex
	session       *session
	info          frame.Info
	interval      time.Duration // of a live source, as measured; 0: unknown
	encoderName   string
	activeWorkers int
	signal        bool
	away          bool // the source is away, and that was logged
	reason        string
	noPictures    string // why there are no JPEGs despite a signal; "" if there are
	restTimer     *time.Timer
	window        window
	lastSecond    second
	sequence      uint64
	newest        Newest
	substituted   bool // the newest frame is the "no signal" picture
	drops         drops
	health        health
}

// restAfter is how long the encoder continues after the last viewer has left: reloading a page, or polling /snapshot,
// must not stop and start it each time.
const restAfter = 2 * time.Second

// New returns a pipeline; Start runs it.
func New(c Config) (*Pipeline, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := &Pipeline{config: c, started: time.Now(), done: make(chan struct{}), reason: starting}
	if c.Video != nil {
		p.video = newVideo(p, *c.Video)
	}
	p.settings.Store(&c.Settings)
	p.controls.init(c.Controls, c.ControlWishes)
	p.SetIdleFPS(c.IdleFPS)
	p.resting.Store(true)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Start opens the source and runs it in the background until Close. A source that cannot be opened is retried: see State.
func (p *Pipeline) Start() {
	p.window.began = time.Now()
	p.mu.Lock()
	p.healthy(true) // the first picture has as much time as later ones
	p.mu.Unlock()
	p.wait.Go(p.measure)
	p.wait.Go(func() {
		defer close(p.done)
		defer p.cancel()
		p.ended = p.run()
	})
}

// Close closes the source and waits until everything the pipeline started has ended, except a hung source, which is abandoned after a
// second. It may be called twice.
func (p *Pipeline) Close() {
	p.cancel()
	p.stills.close()
	p.wait.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.restTimer != nil {
		p.restTimer.Stop()
	}
}

// Done is closed when the pipeline has ended; Err then returns the cause.
func (p *Pipeline) Done() <-chan struct{} { return p.done }

// Err returns why the pipeline ended, once Done is closed: nil after Close, frame.ErrEnd (wrapped) if the source ended (see EndIsFinal), or
// frame.ErrStuck (wrapped) if this process cannot reopen it.
func (p *Pipeline) Err() error {
	select {
	case <-p.done:
		return p.ended
	default:
		return nil
	}
}

// Ring returns the ring that the pipeline fills.
func (p *Pipeline) Ring() *ring.Ring { return p.config.Ring }

// Watch registers a viewer: the encoder works until every viewer has called leave and a short while has passed. leave may be
// called twice.
func (p *Pipeline) Watch() (leave func()) {
	if p.watchers.Add(1) == 1 && p.resting.Swap(false) {
		p.retune()
	}
	return sync.OnceFunc(func() {
		if p.watchers.Add(-1) > 0 {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.restTimer == nil {
			p.restTimer = time.AfterFunc(restAfter, p.rest)
		} else {
			p.restTimer.Reset(restAfter)
		}
	})
}

func (p *Pipeline) rest() {
	if p.watchers.Load() > 0 || p.ctx.Err() != nil {
		return
	}
	p.resting.Store(true)
	if p.watchers.Load() > 0 && p.resting.Swap(false) { // a viewer arrived meanwhile
		return
	}
	p.retune()
}

func (p *Pipeline) idle() bool { return p.resting.Load() }

// rate returns the frame rate wanted now.
func (p *Pipeline) rate() float64 {
	fps := p.settings.Load().FPS
	if p.idle() {
		return min(fps, math.Float64frombits(p.idleFPS.Load()))
	}
	return fps
}

// expected returns the rate at which pictures may be expected if wanted is requested: a slow source or sender has fewer. p.mu is held.
func (p *Pipeline) expected(wanted float64) float64 {
	if own := p.info.FPS; own > 0 {
		wanted = min(wanted, own)
	}
	if p.interval > 0 {
		wanted = min(wanted, 1/p.interval.Seconds())
	}
	return wanted
}

// SetIdleFPS changes the frame rate without viewers. fps must be positive.
func (p *Pipeline) SetIdleFPS(fps float64) {
	if p.idleFPS.Swap(math.Float64bits(fps)) != math.Float64bits(fps) {
		p.retune()
	}
}

// retune sets the source to the rate wanted now, so that it captures no surplus pictures.
func (p *Pipeline) retune() {
	p.mu.Lock()
	s := p.session
	p.health.slowest = min(p.health.slowest, p.rate())
	p.mu.Unlock()
	if s == nil {
		return
	}
	s.fresh.Store(true)
	select {
	case s.tune <- struct{}{}:
	default: // already requested
	}
}

// starting is the reason for no signal until the source is opened for the first time.
const starting = "starting"

// running returns the session, nil if there is none, and why there is no signal.
func (p *Pipeline) running() (*session, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session, p.reason
}

// lost reports whether the source is away after having been opened once, and why; noJPEG is why no JPEGs can be made from a source that is there.
func (p *Pipeline) lost() (away bool, reason, noJPEG string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.signal && p.reason != starting, p.reason, p.noPictures
}

// Snapshot stores a frame captured at or after notBefore in f, waiting for it until ctx is done. The error wraps ErrNoSignal while the
// source is away, and ErrNoPictures if no JPEG can be made from the source. f must be released.
func (p *Pipeline) Snapshot(ctx context.Context, notBefore time.Time, f *ring.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("snapshot: no context or no frame")
	}
	if p.config.Ring.Latest(f) {
		if m := f.Meta(); !m.Substitute && !m.Captured.Before(notBefore) {
			return nil
		}
		f.Release()
	}
	defer p.Watch()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	reader := p.config.Ring.NewReader()
	defer reader.Close()
	for {
		away, reason, noJPEG := p.lost()
		switch {
		case noJPEG != "":
			return &noPicturesError{noJPEG}
		case away:
			if reader.TryNext(f) { // the last picture of a source that has just ended
				if m := f.Meta(); !m.Substitute && !m.Captured.Before(notBefore) {
					return nil
				}
				f.Release()
			}
			return fmt.Errorf("snapshot: %w: %s", ErrNoSignal, reason)
		}
		if err := reader.Next(ctx, f); err != nil {
			switch away, reason, noJPEG := p.lost(); {
			case noJPEG != "" && p.ctx.Err() != nil:
				return &noPicturesError{noJPEG}
			case away && p.ctx.Err() != nil: // nothing arrives because the source has ended
				return fmt.Errorf("snapshot: %w: %s", ErrNoSignal, reason)
			}
			return fmt.Errorf("snapshot: %w", err)
		}
		if m := f.Meta(); !m.Substitute && !m.Captured.Before(notBefore) {
			return nil
		}
		f.Release()
	}
}
