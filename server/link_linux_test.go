package server_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/server/fanbench"
)

// TestFramesStayYoungOnASlowLink offers more than a link carries: the frame rate must fall, not the frames age.
func TestFramesStayYoungOnASlowLink(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, link := range []struct {
		rate  string
		bytes float64       // a second that it carries
		age   time.Duration // that 99 of 100 frames must stay below, with room for a loaded machine
	}{
		{"10mbit", 10e6 / 8, 250 * time.Millisecond},
		{"4mbit", 4e6 / 8, 450 * time.Millisecond},
	} {
		t.Run(link.rate, func(t *testing.T) {
			here, there, address := slowLink(t, link.rate)
			const size, fps = 70 << 10, 30
			s := start(t, here, "server", address+":0", 1, size, fps)
			defer s.end()
			v := start(t, there, "viewers", s.line(t), 1, 6)
			defer v.end()
			v.line(t)
			var r fanbench.Report
			if err := json.Unmarshal([]byte(v.line(t)), &r); err != nil {
				t.Fatal(err)
			}
			carried := float64(r.Bytes) / r.Elapsed.Seconds() / link.bytes
			t.Logf("%s: %d frames of %d bytes in %v (%.0f %% of the link), age p50 %v p99 %v max %v", link.rate, r.Frames, size,
				r.Elapsed.Round(time.Millisecond), 100*carried, r.P50, r.P99, r.Max)
			if r.P99 > link.age {
				t.Errorf("99 of 100 frames are up to %v old, want at most %v", r.P99, link.age)
			}
			if carried < 0.6 || r.Frames > int(r.Elapsed.Seconds()*fps*8/10) {
				t.Errorf("%d frames in %v: want as many as the link carries, and not more", r.Frames, r.Elapsed)
			}
		})
	}
}

// slowLink makes two network namespaces, joined by a link of the given rate out of the first, whose address it returns.
func slowLink(t *testing.T, rate string) (here, there, address string) {
	t.Helper()
	here, there = "maixstream-a", "maixstream-b"
	lack := func(why string) {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if os.Geteuid() != 0 {
		lack("network namespaces need root")
	}
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			lack(program + " is missing (Debian package iproute2)")
		}
	}
	ip := func(must bool, command string) {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil && must {
			lack(command + ": " + strings.TrimSpace(string(out)))
		}
	}
	remove := func() {
		ip(false, "ip netns del "+here)
		ip(false, "ip netns del "+there)
	}
	remove()
	t.Cleanup(remove)
	ip(true, "ip netns add "+here)
	ip(true, "ip netns add "+there)
	ip(true, "ip link add veth0 netns "+here+" type veth peer name veth0 netns "+there)
	ip(true, "ip -n "+here+" addr add 10.99.77.1/24 dev veth0 && ip -n "+here+" link set veth0 up && ip -n "+here+" link set lo up")
	ip(true, "ip -n "+there+" addr add 10.99.77.2/24 dev veth0 && ip -n "+there+" link set veth0 up")
	ip(true, "ip netns exec "+here+" tc qdisc add dev veth0 root tbf rate "+rate+" burst 16kb latency 50ms")
	return here, there, "10.99.77.1"
}
