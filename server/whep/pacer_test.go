package whep

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// pacedLink records when packets arrive.
type pacedLink struct {
	mu      sync.Mutex
	numbers []uint16
	bytes   int
}

func (l *pacedLink) write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range payload {
		if b != byte(h.SequenceNumber) {
			panic("a waiting packet's payload was overwritten")
		}
	}
	l.numbers = append(l.numbers, h.SequenceNumber)
	l.bytes += len(payload)
	return len(payload), nil
}

func (l *pacedLink) got() (int, []uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes, slices.Clone(l.numbers)
}

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 800_000 // bits per second: 150 kB/s paced, a burst of 6 kB
		link := &pacedLink{}
		p := newPacer(rate)
		p.AddStream(7, interceptor.RTPWriterFunc(link.write))
		payload := make([]byte, 1000) // the caller's, overwritten by the next packet
		number := uint16(0)
		send := func(packets int) {
			for range packets {
				for i := range payload {
					payload[i] = byte(number)
				}
				if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 7, SequenceNumber: number}, payload, nil); err != nil {
					t.Fatal(err)
				}
				number++
			}
		}
		// An ordinary picture goes out at once, without a timer.
		send(6)
		if bytes, _ := link.got(); bytes != 6000 || p.timer != nil {
			t.Fatalf("%d of 6000 bytes were sent at once", bytes)
		}
		// A key frame directly after it takes its time.
		send(60)
		for _, ms := range []int{100, 200, 300} {
			began := time.Duration(ms) * time.Millisecond
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if bytes, _ := link.got(); bytes < 6000+150*ms-2000 || bytes > 6000+150*ms+2000 {
				t.Errorf("%d bytes after %v, want about %d", bytes, began, 6000+150*ms)
			}
		}
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		bytes, numbers := link.got()
		if bytes != 66000 || !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != 66 {
			t.Fatalf("%d of 66000 bytes, packets %v", bytes, numbers)
		}
		// A lower estimate slows it down, also for what waits.
		time.Sleep(time.Second)
		send(30)
		p.SetTargetBitrate(rate / 4)
		before, _ := link.got()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if after, _ := link.got(); after-before > 200*150/4+2000 {
			t.Errorf("%d bytes in 200 ms at a quarter of the rate", after-before)
		}
		if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 8}, payload, nil); err != nil {
			t.Error(err) // it waits behind the others
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		before, _ = link.got()
		time.Sleep(time.Second)
		synctest.Wait()
		if after, _ := link.got(); after != before {
			t.Error("packets were sent after Close")
		}
		if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 7}, payload, nil); err == nil {
			t.Error("Write after Close returned no error")
		}
	})
}

// A viewer requests every lost packet again every 100 ms or so, also while a copy waits: retransmissions don't pile up, and don't count as a backlog.
func TestPacerLimitsRetransmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 80_000 // bits per second: 15 kB/s paced
		link := &pacedLink{}
		p := newPacer(rate)
		p.AddStream(7, interceptor.RTPWriterFunc(link.write))
		send := func(number uint16) {
			if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 7, SequenceNumber: number}, slices.Repeat([]byte{byte(number)}, 500), nil); err != nil {
				t.Fatal(err)
			}
		}
		for n := range uint16(20) {
			send(n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if backlog := p.backlog(); backlog != 0 {
			t.Fatalf("a backlog of %v", backlog)
		}
		for range 5 {
			for n := range uint16(20) {
				send(n)
			}
		}
		if backlog := p.backlog(); backlog != 0 {
			t.Errorf("retransmissions count as a backlog of %v", backlog)
		}
		send(20)
		if backlog := p.backlog(); backlog < 30*time.Millisecond || backlog > 40*time.Millisecond {
			t.Errorf("a backlog of %v, want 33 ms for one packet", backlog)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_, numbers := link.got()
		repeated := numbers[20 : len(numbers)-1]
		if numbers[len(numbers)-1] != 20 || len(repeated) < 3 || len(repeated) > 7 || len(slices.Compact(slices.Sorted(slices.Values(repeated)))) != len(repeated) {
			t.Errorf("packets %v: want about 100 ms of retransmissions, each once, before the last", numbers)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Once the estimate has fallen it is what the link carries.
func TestPacerKeepsToAKnownRate(t *testing.T) {
	p := newPacer(1_000_000)
	p.SetTargetBitrate(2_000_000)
	if p.rate != paceFactor*250_000 {
		t.Errorf("%v bytes per second", p.rate)
	}
	p.SetTargetBitrate(1_000_000)
	p.SetTargetBitrate(1_500_000)
	if p.rate < 206_000 || p.rate > 206_500 {
		t.Errorf("%v bytes per second after a fall", p.rate)
	}
}

func TestPacerReportsUnknownStream(t *testing.T) {
	p := newPacer(firstRate)
	if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 9}, []byte{1}, nil); err == nil {
		t.Error("no error for an unknown stream")
	}
}
