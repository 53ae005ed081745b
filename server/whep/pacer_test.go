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

func TestPacerReportsUnknownStream(t *testing.T) {
	p := newPacer(firstRate)
	if _, err := p.Write(&rtp.Header{Version: 2, SSRC: 9}, []byte{1}, nil); err == nil {
		t.Error("no error for an unknown stream")
	}
}
