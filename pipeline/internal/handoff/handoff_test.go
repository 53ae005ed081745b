package handoff

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestSlotIsOneOwnersAtATime(t *testing.T) {
	var s Slot
	if !s.Free() {
		t.Fatal("the zero slot is not free")
	}
	if !s.Claim() || s.Claim() || s.Seal() || s.Free() {
		t.Fatal("a claimed slot is claimed again")
	}
	first := s.Publish(6)
	if first.Index() != 6 || Ref(0).Index() != -1 {
		t.Fatalf("index %d, of the zero Ref %d", first.Index(), Ref(0).Index())
	}
	if !s.Acquire(first) || s.Claim() || s.Seal() {
		t.Fatal("a slot that is read is claimed")
	}
	s.Share()
	s.Release()
	if s.Free() || s.Claim() {
		t.Fatal("one of two references is gone, and the slot is free")
	}
	s.Release()
	if !s.Claim() {
		t.Fatal("nobody reads, and the slot is not free")
	}
	if s.Acquire(first) {
		t.Fatal("acquired while it is written")
	}
	s.Discard()
	if s.Acquire(first) {
		t.Fatal("acquired by the name of what was overwritten")
	}
	if !s.Claim() {
		t.Fatal("a discarded slot is not free")
	}
	second := s.Publish(6)
	if second == first || s.Acquire(first) || !s.Acquire(second) {
		t.Fatalf("%x and %x are not told apart", first, second)
	}
	s.Release()
	if !s.Seal() || s.Acquire(second) || s.Claim() || s.Seal() {
		t.Fatal("a sealed slot is used")
	}
}

// The generation runs over without touching the other fields.
func TestSlotGenerationWraps(t *testing.T) {
	var s Slot
	s.word.Store(genMask << genShift)
	if !s.Claim() {
		t.Fatal("not free")
	}
	if got := s.word.Load(); got != writing {
		t.Fatalf("%x", got)
	}
	if ref := s.Publish(SlotLimit - 1); ref.Index() != SlotLimit-1 || !s.Acquire(ref) {
		t.Fatalf("%x", ref)
	}
}

// The bytes are plain memory: the race detector sees it if a reader and the producer ever have them at once.
func TestSlotUnderStress(t *testing.T) {
	var s Slot
	var latest atomic.Uint64
	var content uint64
	var reads atomic.Uint64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ref := Ref(latest.Load())
				if ref == 0 || !s.Acquire(ref) {
					continue
				}
				s.Share()
				if content == 0 {
					t.Error("read before it was written")
				}
				s.Release()
				s.Release()
				reads.Add(1)
			}
		})
	}
	for n := uint64(0); n < 20000 || reads.Load() < 1000; {
		if s.Claim() {
			n++
			content = n
			latest.Store(uint64(s.Publish(0)))
		}
	}
	close(stop)
	wg.Wait()
}

func TestReaders(t *testing.T) {
	var r Readers
	r.Wake()
	told := 0
	called, waiting := r.Add(func() { told++ }), r.Add(nil)
	r.Wake()
	r.Wake()
	if told != 2 || called.Updates() != nil || len(waiting.Updates()) != 1 {
		t.Fatalf("called %d times; %d values wait", told, len(waiting.Updates()))
	}
	<-waiting.Updates()
	r.Remove(called)
	r.Remove(called)
	r.Wake()
	if told != 2 || len(waiting.Updates()) != 1 {
		t.Fatalf("called %d times; %d values wait", told, len(waiting.Updates()))
	}
	if n := testing.AllocsPerRun(100, r.Wake); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
