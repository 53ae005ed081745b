package rtsp

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/maixstream/maixstream/pipeline/video"
)

// together sends units from one goroutine to all readers over TCP that have nothing pending: waking a goroutine per reader and unit costs more than
// the write. A unit is packetized once; only the numbers differ between readers. A write that does not fit into a reader's socket buffer is
// finished by the reader's own goroutine, which may block, so no reader delays another.
type together struct {
	log      *video.Log
	describe func(*video.Parameters) // called with new parameter sets

	wake chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex // held for a round of writes, none of which blocks
	seats   map[*seat]struct{}
	count   int // of readers, including those that are blocked
	running bool

	// Used by the sending goroutine, also under mu.
	unit       video.Unit
	packed     uint64 // sequence of the unit that is in message; 0: none
	packets    packetizer
	message    []byte
	starts     []int // of each packet's interleaved header in message
	octets     uint32
	parameters *video.Parameters
}

// seat is a reader's place. It belongs to the sending goroutine while it is in together.seats, else to the reader's goroutine.
type seat struct {
	player *player
	reader *video.Reader
	out    func(message []byte) (n int, err error) // writes as much as is possible without blocking
	rest   []byte                                  // of a unit that was not written completely
	begun  bool                                    // part of it was written: the connection is locked until finish
	leave  chan error                              // makes the reader's goroutine write rest (nil) or report a failed connection
}

func newTogether(log *video.Log, describe func(*video.Parameters)) *together {
	return &together{log: log, describe: describe, wake: make(chan struct{}, 1), seats: map[*seat]struct{}{}}
}

func (t *together) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default: // already pending
	}
}

// play serves one reader until ctx ends or the connection fails.
func (t *together) play(ctx context.Context, p *player, out func([]byte) (int, error)) {
	s := &seat{player: p, reader: t.log.Subscribe(0, func() {}), out: out, leave: make(chan error, 1)}
	defer s.reader.Close()
	t.mu.Lock()
	if t.count++; !t.running {
		t.running = true
		t.done.Go(t.run)
	}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.count--
		t.mu.Unlock()
		t.wakeUp()
	}()
	for {
		t.mu.Lock()
		t.seats[s] = struct{}{}
		t.mu.Unlock()
		t.wakeUp()
		ended := false
		var err error
		select {
		case err = <-s.leave:
		case <-ctx.Done():
			ended = true
			t.mu.Lock()
			_, seated := t.seats[s]
			delete(t.seats, s)
			t.mu.Unlock()
			if seated {
				return
			}
			err = <-s.leave // finish a partially written message
		}
		if err == nil {
			write := p.own.Write
			if s.begun {
				write = p.own.finish
			}
			_, err = write(s.rest)
			s.rest = nil // do not keep the memory for a reader that blocked once
		}
		if err != nil {
			p.end(err)
			return
		}
		if ended {
			return
		}
	}
}

// run sends until there are no readers.
func (t *together) run() {
	published := t.log.Subscribe(0, t.wakeUp)
	defer published.Close()
	for range t.wake {
		t.mu.Lock()
		if t.count == 0 {
			t.running = false
			t.mu.Unlock()
			return
		}
		for s := range t.seats {
			if leaves, err := t.send(s); leaves {
				delete(t.seats, s)
				s.leave <- err // buffered: never blocks
			}
		}
		t.mu.Unlock()
	}
}

// send sends all pending units to a reader; leaves reports that the reader's own goroutine must take over.
func (t *together) send(s *seat) (leaves bool, err error) {
	for s.reader.TryNext(&t.unit) {
		t.pack(s.player)
		captured := t.unit.Meta().Captured
		t.unit.Release()
		if err := s.player.reportIfDue(captured); err != nil {
			return true, err
		}
		s.player.number(t.message, t.starts)
		s.player.count += uint32(len(t.starts))
		s.player.octets += t.octets
		n, err := s.out(t.message)
		if err != nil {
			return true, err
		}
		if n < len(t.message) {
			s.rest, s.begun = append(s.rest[:0], t.message[n:]...), n > 0
			return true, nil
		}
	}
	return false, nil
}

// pack packetizes the held unit once. Its packets have the RTP times common to all readers, but no reader's numbers yet.
func (t *together) pack(p *player) {
	m := t.unit.Meta()
	if t.packed == m.Sequence {
		return
	}
	if m.Parameters != t.parameters {
		t.parameters = m.Parameters
		t.describe(m.Parameters)
	}
	t.packed = m.Sequence
	t.packets.started = p.packets.started
	t.packets.begin(m.Captured.Add(m.Shown)) // RTP's time is the display time (RFC 6184 section 5.1)
	last := t.packets.split(&t.unit)
	t.message, t.starts, t.octets = t.message[:0], t.starts[:0], 0
	for i := range last {
		part := &t.packets.parts[i]
		t.starts = append(t.starts, len(t.message))
		t.octets += uint32(len(part.head) + len(part.payload))
		t.message = t.packets.interleaved(t.message, part, i == last-1)
	}
}

// number turns the packets into this reader's next ones.
func (p *player) number(message []byte, starts []int) {
	for _, at := range starts {
		packet := message[at:]
		packet[1] = p.packets.channel
		binary.BigEndian.PutUint16(packet[4+2:], p.packets.sequence)
		binary.BigEndian.PutUint32(packet[4+8:], p.packets.ssrc)
		p.packets.sequence++
	}
}

func (t *together) close() { t.done.Wait() }
