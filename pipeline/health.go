package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/maixstream/maixstream/internal/pace"
)

// ErrHung means that no picture arrives, and the source is not being reopened either, as with a driver call that never returns. Restarting may help.
var ErrHung = errors.New("pipeline hung")

// health records when things last happened, since the pipeline's start. Guarded by Pipeline.mu.
type health struct {
	shown   time.Duration // the last picture from the source was published
	alive   time.Duration // the same, or the source was reopened
	slowest float64       // the lowest rate wanted since then
}

// Health returns why there are no pictures although they are due, or nil. The newest may be patience plus two frame times old, at the
// slowest rate wanted since then; the first picture has as much time from the start. The error wraps ErrNoSignal while the source is being retried,
// and ErrHung if not even that happens.
func (p *Pipeline) Health(patience time.Duration) error {
	if err := p.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.started)
	allowed := patience + 2*pace.Period(p.expected(min(p.health.slowest, p.rate())))
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

// healthy records a sign of life: a picture from the source, or another attempt to open it. p.mu is held.
func (p *Pipeline) healthy(picture bool) {
	p.health.alive = time.Since(p.started)
	if picture {
		p.health.shown, p.health.slowest = p.health.alive, p.rate()
	}
}
