package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/maixstream/maixstream/internal/pace"
)

// ErrHung: no picture comes, and the source is not being opened again either, as with a driver that does not return. Starting the program again may help.
var ErrHung = errors.New("the pipeline hangs")

// health is when something happened last, since the pipeline's start. Guarded by Pipeline.mu.
type health struct {
	shown   time.Duration // a picture of the source's was published
	alive   time.Duration // that, or the source was opened again
	slowest float64       // the lowest rate that was wanted since shown
}

// Health reports why there are no pictures although they are due; nil: there are. The newest may be older by patience than two frame times, of the
// slowest rate that was wanted since; from the start on there is as much time for the first. The error wraps ErrNoSignal while the source is tried again and
// again, and ErrHung when not even that happens.
func (p *Pipeline) Health(patience time.Duration) error {
	if err := p.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.started)
	rate := min(p.health.slowest, p.rate())
	if p.info.FPS > 0 {
		rate = min(rate, p.info.FPS)
	}
	allowed := patience + 2*pace.Period(rate)
	silent := (now - p.health.shown).Round(time.Second)
	switch {
	case now-p.health.shown <= allowed:
		return nil
	case now-p.health.alive > allowed:
		return fmt.Errorf("%w: no picture for %v", ErrHung, silent)
	case p.away || p.reason == starting:
		return fmt.Errorf("%w: no picture for %v: %s", ErrNoSignal, silent, p.reason)
	}
	return fmt.Errorf("%w: no picture for %v", ErrNoSignal, silent)
}

// healthy notes a sign of life: a picture of the source's, or another try to open it. p.mu is held.
func (p *Pipeline) healthy(picture bool) {
	p.health.alive = time.Since(p.started)
	if picture {
		p.health.shown, p.health.slowest = p.health.alive, p.rate()
	}
}
