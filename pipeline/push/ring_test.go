package push_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/ring"
)

func newRing(t *testing.T) *ring.Ring {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 4, SlotSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func publish(t *testing.T, r *ring.Ring, data []byte, substitute bool) {
	t.Helper()
	slot, ok := r.Reserve()
	if !ok {
		t.Fatal("all slots are in use")
	}
	n := copy(slot.Buffer(r), data)
	now := time.Now()
	if err := r.Publish(slot, &frame.Picture{Size: n, Width: 64, Height: 48, Captured: now, Substitute: substitute}, now); err != nil {
		t.Fatal(err)
	}
}

func TestRingSourceSkipsNoSignalFrames(t *testing.T) {
	r, c := newRing(t), newCollector()
	s := serve(t, c)
	var watching atomic.Int32
	done := make(chan struct{})
	source := push.FromRing(push.RingConfig{Ring: r, Done: done, Watch: func() func() {
		watching.Add(1)
		return func() { watching.Store(0) }
	}})
	p := newPusher(t, push.Config{URL: s.URL})
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background(), source) }()
	shots := pictures(t, 4)
	for i, shot := range shots {
		publish(t, r, shot, i == 1)
		if i != 1 {
			c.wait(t, "picture "+strconv.Itoa(i), func(all []received) bool { return len(all) > 0 && all[len(all)-1].sequence == strconv.Itoa(i+1) })
		}
	}
	if watching.Load() == 0 {
		t.Error("Watch is not held while pictures are pushed")
	}
	close(done)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	source.Close()
	if watching.Load() != 0 {
		t.Error("Watch is still held")
	}
	if all := c.all(); len(all) != 3 {
		t.Errorf("%d arrived", len(all))
	}
	if r.Free() < 3 {
		t.Errorf("%d of 4 slots are free", r.Free())
	}
}

// A stuck camera is not a normal end: whoever pushes from it must learn of it.
func TestRunReturnsWhyTheFramesEnded(t *testing.T) {
	stuck := errors.New("the camera is stuck")
	for _, c := range []struct{ why, want error }{{nil, nil}, {fmt.Errorf("film: %w", frame.ErrEnd), nil}, {stuck, stuck}} {
		done := make(chan struct{})
		close(done)
		source := push.FromRing(push.RingConfig{Ring: newRing(t), Done: done, Err: func() error { return c.why }})
		p := newPusher(t, push.Config{URL: "http://127.0.0.1:1/upload"})
		if err := p.Run(t.Context(), source); !errors.Is(err, c.want) {
			t.Errorf("%v ended the run with %v, want %v", c.why, err, c.want)
		}
		source.Close()
	}
}

func TestLastFrameBeforeTheEndIsPushed(t *testing.T) {
	r, c := newRing(t), newCollector()
	s := serve(t, c)
	done := make(chan struct{})
	source := push.FromRing(push.RingConfig{Ring: r, Done: done})
	defer source.Close()
	publish(t, r, jpeg(t, 1), false)
	close(done)
	if err := newPusher(t, push.Config{URL: s.URL}).Run(context.Background(), source); err != nil || len(c.all()) != 1 {
		t.Errorf("%v, %d arrived", err, len(c.all()))
	}
	r.Close()
	if err := source.Next(context.Background(), new(push.Shot)); !errors.Is(err, io.EOF) {
		t.Errorf("a closed ring: %v", err)
	}
}

func TestEverySpacesFrames(t *testing.T) {
	r, c := newRing(t), newCollector()
	s := serve(t, c)
	source := push.FromRing(push.RingConfig{Ring: r, Every: 200 * time.Millisecond})
	defer source.Close()
	publish(t, r, jpeg(t, 0), false) // before the first request: stale
	p := newPusher(t, push.Config{URL: s.URL, Count: 4})
	began := time.Now() // before the first is due
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background(), source) }()
	for i := 1; ; i++ {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			all := c.all()
			if len(all) != 4 || all[0].sequence == "1" {
				t.Fatalf("%d arrived, the first was %s", len(all), all[0].sequence)
			}
			if span := stampOf(t, all[3].stamp).Sub(began); span < 599*time.Millisecond { // stamps are whole microseconds
				t.Errorf("four pictures within %v", span)
			}
			return
		case <-time.After(5 * time.Millisecond):
			publish(t, r, jpeg(t, i), false)
		}
	}
}

func TestNewestWinsInSlowlyReadStream(t *testing.T) {
	c := newCollector()
	read := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 1)) // makes the client continue
		<-read
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader("-"), r.Body), r.Body}
		c.ServeHTTP(w, r)
	}))
	source, large := newLive(), make([]byte, 500<<10)
	copy(large, jpeg(t, 1))
	p := newPusher(t, push.Config{URL: s.URL, As: push.Multipart})
	end := run(p, source)
	const shown = 200 // 100 MB
	for range shown {
		source.show(large)
		time.Sleep(time.Millisecond)
	}
	close(read)
	all := c.wait(t, "the newest", func(all []received) bool { return len(all) > 0 && all[len(all)-1].sequence == strconv.Itoa(shown) })
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(all) > shown/2 { // the kernels' buffers, and the newest
		t.Errorf("%d of %d pictures arrived, although they were not read", len(all), shown)
	}
	if state := p.State(); state.Skipped == 0 {
		t.Errorf("%+v", state)
	}
}
