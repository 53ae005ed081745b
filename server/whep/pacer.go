package whep

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/internal/pace"
)

const (
	// paceFactor is the pacer's rate relative to the estimated capacity of the link, so that a key frame does not delay the stream for long.
	paceFactor = 1.5
	// knownFactor replaces it once the estimate has fallen: it is the link's capacity from then on, not what the stream has needed so far. Key frames
	// sent faster would fill the link's own queue and lower the estimate each time.
	knownFactor = 1.1
	// paceBurst is how much may be sent at once after a pause, in time at the pacer's rate: more than an ordinary picture, so that only key frames wait.
	paceBurst = 40 * time.Millisecond
	// maxRepeats is how long retransmissions may wait, in time at the pacer's rate. A viewer requests all lost packets again and again.
	maxRepeats = 100 * time.Millisecond
	// paceEvery is the interval at which waiting packets are sent.
	paceEvery = 5 * time.Millisecond
)

// pacer sends one viewer's packets no faster than its link is believed to carry them. Unlike the library's pacers it sends at once what does not have to
// wait, in the caller's goroutine, and has no timer running while no packet waits.
type pacer struct {
	mu       sync.Mutex              // also keeps the packets in order while they are written
	streams  map[uint32]*pacedStream // by SSRC
	rate     float64                 // bytes per second
	budget   float64                 // bytes that may be sent now; a packet may overdraw it
	counted  time.Time               // when budget was last increased
	waiting  []paced
	queued   int         // payload bytes of waiting, without retransmissions
	repeated int         // those of retransmissions
	highest  int         // estimate so far, in bits per second
	known    bool        // the estimate has fallen
	timer    *time.Timer // nil before a packet had to wait
	closed   bool

	changed func(rate int) // see notify
}

// pacedStream is one SSRC's packets.
type pacedStream struct {
	writer interceptor.RTPWriter
	begun  bool
	newest uint16 // sequence number
}

// repeats notes a packet and reports whether it is a retransmission.
func (s *pacedStream) repeats(number uint16) bool {
	if s.begun && int16(number-s.newest) <= 0 {
		return true
	}
	s.begun, s.newest = true, number
	return false
}

// paced is a waiting packet.
type paced struct {
	header     rtp.Header
	payload    []byte
	attributes interceptor.Attributes
	again      bool // a retransmission
}

var _ gcc.Pacer = (*pacer)(nil)

func newPacer(bitrate int) *pacer {
	p := &pacer{streams: map[uint32]*pacedStream{}, counted: time.Now()}
	p.SetTargetBitrate(bitrate)
	p.budget = p.burst()
	return p
}

func (p *pacer) burst() float64 { return p.rate * paceBurst.Seconds() }

// AddStream implements gcc.Pacer.
func (p *pacer) AddStream(ssrc uint32, writer interceptor.RTPWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[ssrc] = &pacedStream{writer: writer}
}

// SetTargetBitrate implements gcc.Pacer: rate is the link's estimated capacity in bits per second.
func (p *pacer) SetTargetBitrate(rate int) {
	p.mu.Lock()
	p.known = p.known || rate < p.highest*9/10
	p.highest = max(p.highest, rate)
	factor := paceFactor
	if p.known {
		factor = knownFactor
	}
	p.rate = factor * float64(rate) / 8
	changed := p.changed
	p.mu.Unlock()
	if changed != nil {
		changed(rate)
	}
}

// notify makes the pacer call changed with each new estimate, in bits per second. It must not call the estimator, which holds its own lock.
func (p *pacer) notify(changed func(rate int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = changed
}

// backlog returns how long the waiting packets take to be sent, retransmissions aside.
func (p *pacer) backlog() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pace.Duration(float64(p.queued) / p.rate)
}

// Write implements gcc.Pacer. The payload of a packet that has to wait is copied.
func (p *pacer) Write(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	stream := p.streams[header.SSRC]
	again := stream != nil && stream.repeats(header.SequenceNumber)
	if len(p.waiting) == 0 {
		if p.refill(time.Now()); p.budget > 0 {
			return p.send(header, payload, attributes)
		}
	}
	if again && (p.repeated > int(p.rate*maxRepeats.Seconds()) || p.waits(header)) {
		return header.MarshalSize() + len(payload), nil // the viewer repeats its request if it still wants the packet
	}
	if len(p.waiting) == 0 {
		p.timer = time.AfterFunc(paceEvery, p.drain)
	}
	p.waiting = append(p.waiting, paced{header.Clone(), append([]byte(nil), payload...), attributes, again})
	p.count(again, len(payload))
	return header.MarshalSize() + len(payload), nil
}

// excess returns how many bits wait beyond what is sent within a tenth of a second, retransmissions aside.
func (p *pacer) excess() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, int(8*(float64(p.queued)-p.rate/10)))
}

// waits reports whether a packet is among the waiting ones.
func (p *pacer) waits(h *rtp.Header) bool {
	for i := range p.waiting {
		if w := &p.waiting[i].header; w.SequenceNumber == h.SequenceNumber && w.SSRC == h.SSRC {
			return true
		}
	}
	return false
}

func (p *pacer) count(again bool, bytes int) {
	if again {
		p.repeated += bytes
	} else {
		p.queued += bytes
	}
}

// refill increases the budget by what may be sent since the last call.
func (p *pacer) refill(now time.Time) {
	p.budget = min(p.budget+p.rate*now.Sub(p.counted).Seconds(), p.burst())
	p.counted = now
}

func (p *pacer) send(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	stream := p.streams[header.SSRC]
	if stream == nil {
		return 0, fmt.Errorf("webrtc: no stream with SSRC %d", header.SSRC)
	}
	n, err := stream.writer.Write(header, payload, attributes)
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
		p.count(next.again, -len(next.payload))
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
	p.closed, p.waiting, p.queued, p.repeated = true, nil, 0, 0
	if p.timer != nil {
		p.timer.Stop()
	}
	return nil
}
