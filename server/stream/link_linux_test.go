package stream_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// With more offered than a link carries, the frame rate must drop rather than the frames age.
func TestFramesStayFreshOnSlowLink(t *testing.T) {
	testenv.Long(t, "takes ten seconds")
	for _, link := range []struct {
		rate  string
		bytes float64       // bytes per second that it carries
		age   time.Duration // limit for 99 of 100 frames, with room for a loaded machine
	}{
		{"10mbit", 10e6 / 8, 250 * time.Millisecond},
		{"4mbit", 4e6 / 8, 450 * time.Millisecond},
	} {
		t.Run(link.rate, func(t *testing.T) {
			l, err := load.NewLink(link.rate)
			if errors.Is(err, load.ErrNoLink) {
				if os.Geteuid() != 0 {
					testenv.Unable(t, "needs root, for network namespaces")
				}
				testenv.Missing(t, "iproute2", "make setup-test")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			const size, fps = 70 << 10, 30
			s, err := load.Start(l.Here, load.Role{Kind: "server", Address: l.Address + ":0", Size: size, FPS: fps})
			if err != nil {
				t.Fatal(err)
			}
			defer s.End()
			v, err := load.Start(l.There, load.Role{Kind: "viewers", Address: s.Address, Path: "/stream", Viewers: 1, Sums: true})
			if err != nil {
				t.Fatal(err)
			}
			defer v.End()
			if _, err := v.Read(time.Second); err != nil {
				t.Fatal(err)
			}
			r, err := v.Read(6 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			carried := float64(r.Bytes) / r.Elapsed.Seconds() / link.bytes
			t.Logf("%s: %d frames of %d bytes in %v (%.0f %% of the link), age p50 %v p99 %v max %v", link.rate, r.Frames, size,
				r.Elapsed.Round(time.Millisecond), 100*carried, r.P50, r.P99, r.Max)
			if r.P99 > link.age {
				t.Errorf("99th percentile of age: %v, want at most %v", r.P99, link.age)
			}
			if carried < 0.6 || r.Frames > int(r.Elapsed.Seconds()*fps*8/10) {
				t.Errorf("%d frames in %v: want as many as the link carries, and not more", r.Frames, r.Elapsed)
			}
		})
	}
}
