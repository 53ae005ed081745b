// Package pace keeps frame rates: Pacer waits until a source's next picture is due, Gate selects the pictures of a source that make up a lower rate.
package pace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// MaxFPS is the highest finite rate; beyond it a timer cannot keep up. +Inf disables pacing.
const MaxFPS = 100_000

// CheckFPS returns an error for a rate that is neither within MinFPS to MaxFPS nor +Inf.
func CheckFPS(fps float64) error {
	if math.IsInf(fps, 1) || (fps >= MinFPS && fps <= MaxFPS) {
		return nil
	}
	return fmt.Errorf("frame rate %g: out of range (one frame an hour to %d a second)", fps, MaxFPS)
}

// Pacer waits for absolute deadlines a whole number of frame times apart, counted from the first Wait, so that the rate holds over hours. Wait belongs
// to one goroutine; the other methods are safe for concurrent use.
type Pacer struct {
	mu     sync.Mutex
	fps    float64
	base   time.Time // deadline 0
	n      float64   // of the next deadline
	last   time.Time // when the last Wait returned
	timer  *time.Timer
	wake   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// New returns a Pacer for fps deadlines per second; fps must have passed CheckFPS.
func New(fps float64) *Pacer {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &Pacer{fps: fps, timer: timer, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// FPS returns the rate.
func (p *Pacer) FPS() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fps
}

// SetFPS changes the rate. A Wait in progress continues as if the new rate had been in force since the last deadline.
func (p *Pacer) SetFPS(fps float64) error {
	if err := CheckFPS(fps); err != nil {
		return err
	}
	p.mu.Lock()
	if fps != p.fps {
		p.fps = fps
		if !p.last.IsZero() {
			p.base, p.n = p.last, 1
		}
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.mu.Unlock()
	return nil
}

var errNoContext = errors.New("read: no context")

// Wait waits for the next deadline. It returns how many deadlines passed since the last one without a Wait (the caller was slow), ctx's
// error, or closed's if Close was called. It does not allocate.
func (p *Pacer) Wait(ctx context.Context, closed error) (missed uint64, err error) {
	if ctx == nil {
		return 0, errNoContext
	}
	for {
		select {
		case <-p.closed:
			return 0, closed
		default:
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		wait, missed := p.next()
		if wait <= 0 {
			return missed, nil
		}
		p.timer.Reset(wait)
		select {
		case <-p.timer.C:
		case <-p.wake:
		case <-ctx.Done():
		case <-p.closed:
		}
		p.timer.Stop()
	}
}

// next returns the time until the next deadline; if that is now, it advances to the one after.
func (p *Pacer) next() (wait time.Duration, missed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if math.IsInf(p.fps, 1) {
		p.last = now
		return 0, 0
	}
	if p.last.IsZero() {
		p.base, p.n = now, 0
	}
	due := p.deadline(p.n)
	if wait = due.Sub(now); wait > 0 {
		return wait, 0
	}
	late := math.Floor(float64(-wait) / float64(time.Second) * p.fps) // whole frame times
	p.n += late
	p.last = p.deadline(p.n)
	p.n++
	return 0, uint64(late)
}

func (p *Pacer) deadline(n float64) time.Time {
	return p.base.Add(Duration(n / p.fps))
}

// Close ends a Wait in progress and all later ones. It may be called twice.
func (p *Pacer) Close() { p.once.Do(func() { close(p.closed) }) }

// Done is closed by Close.
func (p *Pacer) Done() <-chan struct{} { return p.closed }
