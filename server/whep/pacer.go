package whep

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtp"
)

const (
	// paceFactor is the pacer's rate relative to the estimated capacity of the link, so that a key frame does not delay the stream for long.
	paceFactor = 1.5
	// paceBurst is how much may be sent at once after a pause, in time at the pacer's rate: more than an ordinary picture, so that only key frames wait.
	paceBurst = 40 * time.Millisecond
	// paceEvery is the interval at which waiting packets are sent.
	paceEvery = 5 * time.Millisecond
)

// pacer sends one viewer's packets no faster than its link is believed to carry them. Unlike the library's pacers it sends at once what does not have to
// wait, in the caller's goroutine, and has no timer running while no packet waits.
type pacer struct {
	mu      sync.Mutex // also keeps the packets in order while they are written
	writers map[uint32]interceptor.RTPWriter
	rate    float64   // bytes per second
	budget  float64   // bytes that may be sent now; a packet may overdraw it
	counted time.Time // when budget was last increased
	waiting []paced
	timer   *time.Timer // nil before a packet had to wait
	closed  bool
}

// paced is a waiting packet.
type paced struct {
	header     rtp.Header
	payload    []byte
	attributes interceptor.Attributes
}

var _ gcc.Pacer = (*pacer)(nil)

func newPacer(bitrate int) *pacer {
	p := &pacer{writers: map[uint32]interceptor.RTPWriter{}, counted: time.Now()}
	p.SetTargetBitrate(bitrate)
	p.budget = p.burst()
	return p
}

func (p *pacer) burst() float64 { return p.rate * paceBurst.Seconds() }

// AddStream implements gcc.Pacer.
func (p *pacer) AddStream(ssrc uint32, writer interceptor.RTPWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers[ssrc] = writer
}

// SetTargetBitrate implements gcc.Pacer: rate is the link's estimated capacity in bits per second.
func (p *pacer) SetTargetBitrate(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = paceFactor * float64(rate) / 8
}

// Write implements gcc.Pacer. The payload of a packet that has to wait is copied.
func (p *pacer) Write(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	if len(p.waiting) == 0 {
		if p.refill(time.Now()); p.budget > 0 {
			return p.send(header, payload, attributes)
		}
		p.timer = time.AfterFunc(paceEvery, p.drain)
	}
	p.waiting = append(p.waiting, paced{header.Clone(), append([]byte(nil), payload...), attributes})
	return header.MarshalSize() + len(payload), nil
}

// refill increases the budget by what may be sent since the last call.
func (p *pacer) refill(now time.Time) {
	p.budget = min(p.budget+p.rate*now.Sub(p.counted).Seconds(), p.burst())
	p.counted = now
}

func (p *pacer) send(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	writer := p.writers[header.SSRC]
	if writer == nil {
		return 0, fmt.Errorf("webrtc: no stream with SSRC %d", header.SSRC)
	}
	n, err := writer.Write(header, payload, attributes)
	p.budget -= float64(n)
	return n, err
}

// drain sends the waiting packets that may go now.
func (p *pacer) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.refill(time.Now())
	sent := 0
	for ; sent < len(p.waiting) && p.budget > 0; sent++ {
		next := &p.waiting[sent]
		_, _ = p.send(&next.header, next.payload, next.attributes) // lost, as any packet may be: the viewer asks for it again
	}
	rest := copy(p.waiting, p.waiting[sent:])
	clear(p.waiting[rest:])
	if p.waiting = p.waiting[:rest]; rest > 0 {
		p.timer.Reset(paceEvery)
	}
}

// Close implements gcc.Pacer. Waiting packets are dropped.
func (p *pacer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.waiting = true, nil
	if p.timer != nil {
		p.timer.Stop()
	}
	return nil
}
