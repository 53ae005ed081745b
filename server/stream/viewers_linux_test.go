package stream_test

import (
	"bufio"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// 200 viewers get whole pictures with rising sequence numbers, and when publishing pauses all have the newest.
func TestTwoHundredViewersGetWholePictures(t *testing.T) {
	s, feed := serve(t, nil)
	const viewers = 200
	v, err := load.Connect(address(s), "/stream", viewers)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var newest [viewers]uint64
	v.Check = func(viewer int, sequence uint64, jpg []byte) error {
		if sequence <= newest[viewer] {
			return errors.New("sequence number does not rise")
		}
		newest[viewer] = sequence
		return check(jpg)
	}
	stop := feed.stream(t, 30, func(i int) []byte { return checked(i, 40<<10+i%1000) })
	report, err := v.Read(3 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	t.Logf("%+v", report)
	if report.Frames < viewers {
		t.Errorf("%d frames for %d viewers", report.Frames, viewers)
	}
	last := feed.newest()
	eventually(t, "all viewers have the newest frame", func() bool {
		if _, err := v.Read(50 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return slices.Min(newest[:]) == last
	})
	if got := s.State().Server.Viewers; got != viewers {
		t.Errorf("state counts %d viewers, want %d", got, viewers)
	}
}

// Viewers that never read cost the others no frame, hold a bounded amount of memory and are disconnected.
func TestStalledViewersCostOthersNothing(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.StallTimeout = 2 * time.Second })
	for range 8 {
		ask(t, "tcp", address(s), streamRequest)
	}
	eventually(t, "8 viewers", func() bool { return s.State().Server.Viewers == 8 })
	v, err := load.Connect(address(s), "/stream", 8)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.Check = func(_ int, _ uint64, jpg []byte) error { return check(jpg) }
	eventually(t, "16 viewers", func() bool { return s.State().Server.Viewers == 16 })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	dropped := 0
	feed.stream(t, 30, func(i int) []byte {
		if feed.ring.Free() == 0 {
			dropped++
		}
		return checked(i, 100<<10)
	})
	report, err := v.Read(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	t.Logf("%+v", report)
	if report.Skipped > report.Frames/20 || dropped > 0 {
		t.Errorf("readers missed %d of %d frames and %d were not published for want of a slot", report.Skipped, report.Frames, dropped)
	}
	if held := after.HeapInuse - before.HeapInuse; after.HeapInuse > before.HeapInuse && held > 16<<20 {
		t.Errorf("heap grew by %d MiB", held>>20)
	}
	eventually(t, "stalled viewers are closed", func() bool {
		if _, err := v.Read(50 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return s.State().Server.Total.Stalled == 8
	})
	if got := s.State().Server.Viewers; got != 8 {
		t.Errorf("%d viewers are left, want the 8 that read", got)
	}
	eventually(t, "the feed is notified", func() bool { return feed.watching.Load() == 8 })
}

// A viewer's departure is noticed without sending it a frame.
func TestViewerThatLeavesIsForgotten(t *testing.T) {
	s, feed := serve(t, nil)
	conn := ask(t, "tcp", address(s), streamRequest)
	eventually(t, "a viewer", func() bool { return s.State().Server.Viewers == 1 && feed.watching.Load() == 1 })
	conn.Close()
	eventually(t, "no viewer", func() bool { return s.State().Server.Viewers == 0 && feed.watching.Load() == 0 })
}

// Slow viewers in mid-frame must not hold the ring's slots forever.
func TestSlowViewersDoNotHoldSlots(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.StallTimeout = time.Minute })
	for i := range 20 {
		ask(t, "tcp", address(s), streamRequest)
		eventually(t, "another viewer", func() bool { return s.State().Server.Viewers == i+1 })
		for k := range 10 { // each viewer gets stuck in a different frame
			if !feed.publish(t, checked(i*10+k, 200<<10)) {
				t.Fatalf("no free slot with %d stuck viewers", i+1)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// ?fps= thins the stream for one viewer.
func TestFPSOfOneViewer(t *testing.T) {
	s, feed := serve(t, nil)
	all, err := load.Connect(address(s), "/stream", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	feed.stream(t, 40, func(i int) []byte { return checked(i, 2000) })
	thin, err := load.Connect(address(s), "/stream?fps=10", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer thin.Close()
	report, err := thin.Read(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if most := 10*report.Elapsed.Seconds() + 2; float64(report.Frames) > most || report.Frames < 8 {
		t.Errorf("%d frames in %v at fps=10", report.Frames, report.Elapsed)
	}
}

// Delivering a frame, from publication to the last byte read by one viewer, allocates nothing.
func BenchmarkDeliveredFrameAllocations(b *testing.B) {
	s, feed := serve(b, nil)
	conn := ask(b, "tcp", address(s), "GET /stream?advance_headers=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_ = conn.SetReadDeadline(time.Time{})
	reply := bufio.NewReader(conn)
	for preamble := 0; preamble < 2; { // the reply's headers and the first part's end with an empty line each
		line, err := reply.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if line == "\r\n" {
			preamble++
		}
	}
	jpg := checked(1, 70<<10)
	part := make([]byte, len(jpg)+len("\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"))
	b.ReportAllocs()
	b.SetBytes(int64(len(jpg)))
	for b.Loop() {
		if !feed.publish(b, jpg) {
			b.Fatal("no free slot")
		}
		if _, err := io.ReadFull(reply, part); err != nil {
			b.Fatal(err)
		}
	}
	if err := check(part[:len(jpg)]); err != nil {
		b.Error(err)
	}
}
