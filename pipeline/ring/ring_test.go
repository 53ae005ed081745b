package ring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

const slotSize = 1 << 10

func newRing(t testing.TB, c Config) *Ring {
	t.Helper()
	if c.SlotSize == 0 {
		c.SlotSize = slotSize
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// fill writes a frame that can be checked: its number, its length, noise, and a checksum over all of it.
func fill(dst []byte, number uint64, rnd *rand.Rand) int {
	n := 16 + rnd.IntN(len(dst)-20)
	binary.BigEndian.PutUint64(dst, number)
	binary.BigEndian.PutUint64(dst[8:], uint64(n))
	for i := 16; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], rnd.Uint64())
	}
	binary.BigEndian.PutUint32(dst[n:], crc32.ChecksumIEEE(dst[:n]))
	return n + 4
}

func check(jpeg []byte, number uint64) error {
	if len(jpeg) < 20 {
		return fmt.Errorf("frame %d: %d bytes", number, len(jpeg))
	}
	n := len(jpeg) - 4
	if got := binary.BigEndian.Uint64(jpeg); got != number {
		return fmt.Errorf("frame %d has the bytes of frame %d", number, got)
	}
	if crc32.ChecksumIEEE(jpeg[:n]) != binary.BigEndian.Uint32(jpeg[n:]) {
		return fmt.Errorf("frame %d is torn", number)
	}
	return nil
}

// publish makes the next frame; false: it was dropped as no slot was free.
func publish(t testing.TB, r *Ring, rnd *rand.Rand) bool {
	v, ok := r.Reserve()
	if !ok {
		return false
	}
	n := fill(v.Buffer(r), r.sequence+1, rnd)
	if err := r.Publish(v, &frame.Picture{Size: n, Width: 64, Height: 48, Quality: 80}, time.Now()); err != nil {
		t.Error(err)
	}
	return true
}

// references counts the holds on all slots.
func references(r *Ring) (n int) {
	for i := range r.slots {
		n += r.slots[i].References()
	}
	return n
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// Many readers of different speeds, readers that come and go, holders of old frames and snapshots beside one producer: no torn frame,
// strictly rising sequences, skipped counts that add up, and every reference returned.
func TestManyReadersBesideOneProducer(t *testing.T) {
	duration := 5 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	for _, slots := range []int{3, 4, 8, 64} {
		t.Run(fmt.Sprint(slots, " slots"), func(t *testing.T) {
			t.Parallel()
			r := newRing(t, Config{Slots: slots, Envelope: testEnvelope})
			var wg sync.WaitGroup
			var published atomic.Uint64
			ctx, stop := context.WithCancel(t.Context())

			read := func(pause func(), hold int) {
				defer wg.Done()
				reader := r.NewReader()
				defer reader.Close()
				held := make([]Frame, hold)
				var last, skipped, had uint64
				for i := 0; ; i++ {
					f := &held[i%hold]
					f.Release()
					if err := reader.Next(ctx, f); err != nil {
						if had+skipped != last {
							t.Errorf("had %d and skipped %d of %d", had, skipped, last)
						}
						break
					}
					m := f.Meta()
					if m.Sequence <= last {
						t.Errorf("sequence %d after %d", m.Sequence, last)
					}
					had, skipped, last = had+1, skipped+f.Skipped, m.Sequence
					pause()
					for j := range held { // what is held must have stayed as it was
						if !held[j].Held() {
							continue
						}
						number := held[j].Meta().Sequence
						if err := check(held[j].JPEG(), number); err != nil {
							t.Error(err)
						}
						if err := checkPart(&held[j]); err != nil {
							t.Error(err)
						}
					}
				}
				for j := range held {
					held[j].Release()
				}
			}
			nothing := func() {}
			wg.Add(5)
			go read(nothing, 1)
			go read(runtime.Gosched, 1)
			go read(nothing, 2)
			go read(func() { time.Sleep(50 * time.Microsecond) }, 1)
			go read(func() { time.Sleep(2 * time.Millisecond) }, 3)

			for range 2 { // come, take one, and go; share it
				wg.Go(func() {
					for ctx.Err() == nil {
						var f, g Frame
						if r.Latest(&f) {
							f.Share(&g)
							f.Release()
							if err := check(g.JPEG(), g.Meta().Sequence); err != nil {
								t.Error(err)
							}
							g.Release()
							g.Release() // twice does nothing
						}
						if n := published.Load(); n > 0 && f.Held() {
							t.Error("a released frame is held")
						}
						reader := r.NewReader()
						if reader.TryNext(&f) {
							f.Release()
						}
						reader.Close()
					}
				})
			}

			rnd := seeded()
			dropped := uint64(0)
			n := uint64(0)
			for start := time.Now(); time.Since(start) < duration || n < 1000; {
				// Several reservations at once, some of them discarded, as a pool of workers does it.
				if n%17 == 0 {
					if v, ok := r.Reserve(); ok {
						fill(v.Buffer(r), 1<<63, rnd)
						r.Discard(v)
					}
				}
				if publish(t, r, rnd) {
					n++
					published.Store(n)
				} else {
					dropped++
					runtime.Gosched()
				}
			}
			stop()
			wg.Wait()
			if n := references(r); n != 0 {
				t.Errorf("%d references were not returned", n)
			}
			if free := r.Free(); free != slots-1 {
				t.Errorf("%d of %d slots are free at the end", free, slots)
			}
			t.Logf("%d frames, %d times no slot was free", n, dropped)
		})
	}
}

var testEnvelope = Envelope{
	HeadSize: 32,
	Head: func(dst []byte, m *Meta) []byte {
		dst = append(dst, "head "...)
		for n := m.Sequence; n > 0; n /= 10 { // backwards, of a length that changes
			dst = append(dst, byte('0'+n%10))
		}
		return dst
	},
	Tail: []byte(" tail"),
}

func checkPart(f *Frame) error {
	want := append(testEnvelope.Head(nil, f.Meta()), f.JPEG()...)
	want = append(want, testEnvelope.Tail...)
	if !bytes.Equal(f.Part(), want) {
		return fmt.Errorf("frame %d: its envelope is %.20q … %q", f.Meta().Sequence, f.Part(), f.Part()[max(0, len(f.Part())-5):])
	}
	return nil
}

func TestHeldFrameIsNeverOverwritten(t *testing.T) {
	r := newRing(t, Config{Slots: 3})
	rnd := seeded()
	publish(t, r, rnd)
	var held Frame
	if !r.Latest(&held) {
		t.Fatal("no frame")
	}
	for range 1000 {
		if !publish(t, r, rnd) {
			t.Fatal("no slot is free beside a held one")
		}
	}
	if err := check(held.JPEG(), 1); err != nil {
		t.Error(err)
	}
	var second Frame
	r.Latest(&second)
	publish(t, r, rnd)
	if publish(t, r, rnd) {
		t.Error("a slot was free, although two are held and one is the newest")
	}
	if r.Free() != 0 {
		t.Errorf("%d free", r.Free())
	}
	held.Release()
	if !publish(t, r, rnd) {
		t.Error("the released slot is not free")
	}
	if err := check(second.JPEG(), 1001); err != nil {
		t.Error(err)
	}
	second.Release()
}

func TestReaderSkips(t *testing.T) {
	r := newRing(t, Config{Slots: 8})
	rnd := seeded()
	for range 5 {
		publish(t, r, rnd)
	}
	reader := r.NewReader()
	defer reader.Close()
	var f Frame
	if !reader.TryNext(&f) || f.Meta().Sequence != 5 || f.Skipped != 4 {
		t.Fatalf("first: %+v", f)
	}
	f.Release()
	if reader.TryNext(&f) {
		t.Error("the same frame twice")
	}
	for range 3 {
		publish(t, r, rnd)
	}
	if !reader.TryNext(&f) || f.Meta().Sequence != 8 || f.Skipped != 2 {
		t.Errorf("second: %+v", f)
	}
	f.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := reader.Next(ctx, &f); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSubscriberIsWokenOnceAFrame(t *testing.T) {
	r := newRing(t, Config{})
	wakes := 0
	s := r.Subscribe(func() { wakes++ })
	rnd := seeded()
	for range 3 {
		publish(t, r, rnd)
	}
	if wakes != 3 {
		t.Errorf("%d wakes for 3 frames", wakes)
	}
	s.Close()
	s.Close()
	publish(t, r, rnd)
	if wakes != 3 {
		t.Error("woken after Close")
	}
	s = r.Subscribe(func() { wakes++ })
	r.Close()
	if wakes != 4 {
		t.Errorf("not woken by the ring's Close: %d", wakes)
	}
	s.Close()
}

func TestCloseWithHeldFramesAndReservations(t *testing.T) {
	r := newRing(t, Config{Slots: 4})
	rnd := seeded()
	publish(t, r, rnd)
	var f Frame
	r.Latest(&f)
	v, _ := r.Reserve()
	waiting := make(chan error, 1)
	go func() {
		reader := r.NewReader()
		defer reader.Close()
		var f Frame
		if err := reader.Next(context.Background(), &f); err != nil {
			waiting <- err
			return
		}
		f.Release()
		waiting <- reader.Next(context.Background(), &f)
	}()
	time.Sleep(10 * time.Millisecond)
	r.Close()
	r.Close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("a waiting reader: %v", err)
	}
	if r.freed {
		t.Fatal("the memory went while a frame is held")
	}
	if err := check(f.JPEG(), 1); err != nil {
		t.Error(err)
	}
	var g Frame
	if r.Latest(&g) {
		t.Error("a closed ring gives frames")
	}
	if _, ok := r.Reserve(); ok {
		t.Error("a closed ring gives slots")
	}
	n := fill(v.Buffer(r), 2, rnd)
	if err := r.Publish(v, &frame.Picture{Size: n}, time.Now()); err != nil {
		t.Error(err)
	}
	if r.freed {
		t.Fatal("the memory went while a frame is held")
	}
	f.Release()
	if !r.freed {
		t.Error("the memory was not given back")
	}
}

// Close beside readers and a producer that go on: nothing is touched after it is gone (without the race detector the memory is
// unmapped, and a late read would be a fault), and the memory goes in the end.
func TestCloseUnderLoad(t *testing.T) {
	for round := range 200 {
		r, err := New(Config{Slots: 4, SlotSize: slotSize})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(round), 0))
			for !r.closed.Load() {
				publish(t, r, rnd)
			}
		})
		for range 3 {
			wg.Go(func() {
				reader := r.NewReader()
				defer reader.Close()
				var f Frame
				for reader.Next(context.Background(), &f) == nil {
					if err := check(f.JPEG(), f.Meta().Sequence); err != nil {
						t.Error(err)
					}
					f.Release()
				}
			})
		}
		time.Sleep(time.Duration(round) * 5 * time.Microsecond)
		r.Close()
		wg.Wait()
		if !r.freed {
			t.Fatal("the memory was not given back")
		}
	}
}

func TestPublishRefusesSizes(t *testing.T) {
	r := newRing(t, Config{Slots: 3, SlotSize: 100})
	for _, size := range []int{-1, 0, 101} {
		v, ok := r.Reserve()
		if !ok {
			t.Fatal("the refused slot was lost")
		}
		if err := r.Publish(v, &frame.Picture{Size: size}, time.Now()); !errors.Is(err, frame.ErrTooLarge) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	var f Frame
	if r.Latest(&f) {
		t.Error("a refused frame was published")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []Config{{Slots: 2, SlotSize: 1}, {Slots: 4097, SlotSize: 1}, {Slots: -1, SlotSize: 1}, {}, {SlotSize: -5}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := newRing(t, Config{Envelope: testEnvelope})
	reader := r.NewReader()
	defer reader.Close()
	rnd := seeded()
	var f, g Frame
	ctx := t.Context()
	p := frame.Picture{}
	if n := testing.AllocsPerRun(1000, func() {
		v, _ := r.Reserve()
		p.Size = fill(v.Buffer(r), r.sequence+1, rnd)
		if r.Publish(v, &p, time.Time{}) != nil || reader.Next(ctx, &f) != nil {
			t.Fatal("no frame")
		}
		f.Share(&g)
		g.Release()
		f.Release()
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// The ring alone: what one frame costs its producer, with readers that take each frame they can.
func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1, 8, 64} {
		b.Run(fmt.Sprint(readers, " readers"), func(b *testing.B) {
			r := newRing(b, Config{Slots: 128})
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			var read atomic.Uint64
			for range readers {
				wg.Go(func() {
					reader := r.NewReader()
					defer reader.Close()
					var f Frame
					n := uint64(0)
					for reader.Next(ctx, &f) == nil {
						n++
						f.Release()
					}
					read.Add(n)
				})
			}
			b.ReportAllocs()
			p := frame.Picture{Size: 1000}
			dropped := 0
			for b.Loop() {
				v, ok := r.Reserve()
				if !ok {
					dropped++
					continue
				}
				_ = r.Publish(v, &p, time.Time{})
			}
			stop()
			wg.Wait()
			b.ReportMetric(float64(read.Load())/float64(b.N), "reads/op")
			b.ReportMetric(float64(dropped)/float64(b.N), "dropped/op")
		})
	}
}

// One reader's hold and release of the newest frame.
func BenchmarkAcquire(b *testing.B) {
	r := newRing(b, Config{})
	publish(b, r, seeded())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var f Frame
		for pb.Next() {
			if !r.Latest(&f) {
				b.Error("no frame")
			}
			f.Release()
		}
	})
}
