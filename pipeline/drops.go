package pipeline

import (
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// drops records why pictures were dropped. Guarded by Pipeline.mu.
type drops struct {
	reason   string
	at       time.Time
	count    uint64 // for this reason
	unlogged uint64 // since the last log line
	logged   time.Time
}

// fill adds the reason to a State.
func (d *drops) fill(s *Dropped) { s.Reason, s.ReasonAt, s.ReasonCount = d.reason, d.at, d.count }

// dropped counts unusable pictures. p.mu is held.
func (p *Pipeline) dropped(n uint64, why error) {
	p.count.broken.Add(n)
	d := &p.drops
	if reason := p.config.Explain(why); reason != d.reason {
		d.reason, d.count = reason, 0
	}
	d.count += n
	d.unlogged += n
	d.at = time.Now()
	p.logDrops(d.at)
}

// logDrops logs what was dropped since its last line, at most once per second. p.mu is held.
func (p *Pipeline) logDrops(now time.Time) {
	d := &p.drops
	if d.unlogged == 0 || !d.logged.IsZero() && now.Sub(d.logged) < time.Second {
		return
	}
	p.config.Log.Warn("pictures dropped", zap.Uint64("count", d.unlogged), zap.String("reason", d.reason))
	d.unlogged, d.logged = 0, now
}

// collectDrops counts what the source dropped itself.
func (p *Pipeline) collectDrops() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != nil {
		p.collectFrom(p.session)
	}
	p.logDrops(time.Now())
}

// collectFrom is collectDrops for a session. p.mu is held.
func (p *Pipeline) collectFrom(s *session) {
	source, ok := s.source.(frame.Dropper)
	if !ok {
		return
	}
	n, why := source.Dropped()
	if n > s.reported && why != nil {
		p.dropped(n-s.reported, why)
		s.reported = n
	}
}
