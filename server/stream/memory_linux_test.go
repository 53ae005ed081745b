package stream_test

import (
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// A viewer that stops reading holds at most 256 KiB of kernel memory on the server's side, until it is disconnected.
func TestStalledViewerHoldsLittleKernelMemory(t *testing.T) {
	ss := testenv.Program(t, "ss")
	s, feed := serve(t, func(c *config) { c.StallTimeout = time.Minute })
	_, port, err := net.SplitHostPort(address(s))
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		ask(t, "tcp", address(s), streamRequest)
	}
	eventually(t, "4 viewers", func() bool { return s.State().Server.Viewers == 4 })
	for i := range 60 {
		feed.publish(t, checked(i, 70<<10))
		time.Sleep(10 * time.Millisecond)
	}
	out, err := exec.Command(ss, "-tmnH", "state", "established", "sport", "=", ":"+port).CombinedOutput()
	if err != nil {
		t.Fatalf("ss: %v: %s", err, out)
	}
	// t: memory allocated for the send queue, w: queued in it (ss(8)).
	fields := regexp.MustCompile(`skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+),`).FindAllStringSubmatch(string(out), -1)
	if len(fields) != 4 {
		t.Fatalf("ss shows %d sockets: %s", len(fields), out)
	}
	for _, f := range fields {
		held := 0
		for _, i := range []int{1, 3, 4} { // received, forward allocated, queued for writing (which includes t)
			n, err := strconv.Atoi(f[i])
			if err != nil {
				t.Fatal(err)
			}
			held += n
		}
		t.Logf("%s: %d KiB", f[0], held>>10)
		if held > 256<<10 {
			t.Errorf("a stalled viewer holds %d KiB of kernel memory: %s", held>>10, strings.TrimSpace(string(out)))
		}
	}
}

// A viewer that reads a quarter of what is offered, over a fast path, gets frames under a second old.
func TestSlowReaderGetsFreshFrames(t *testing.T) {
	s, feed := serve(t, nil)
	v, err := load.Connect(address(s), "/stream", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.BytesPerSec = 500e3
	feed.stream(t, 30, func(i int) []byte { return checked(i, 72<<10) })
	report, err := v.Read(4 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d frames, %d skipped, age p50 %v p99 %v max %v", report.Frames, report.Skipped, report.P50, report.P99, report.Max)
	if report.P99 > time.Second || report.Frames < 15 {
		t.Errorf("%d frames, p99 %v old; want them under a second", report.Frames, report.P99)
	}
}
