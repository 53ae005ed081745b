//go:build recipes

package recipes_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// maixstream find lists the server, and other mDNS clients find it, too.
func TestFind(t *testing.T) {
	stream(t, "--rtsp", ":8554")
	r := &recipe{t: t, dir: t.TempDir()}
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); { // mDNS uses UDP: answers may be lost
		var err error
		out, err = exec.Command("maixstream", "find", "--wait", "3s").CombinedOutput()
		if err == nil && strings.Contains(string(out), board10+":8000") && strings.Contains(string(out), "rtsp://"+address10+":8554") {
			break
		}
	}
	if !strings.Contains(string(out), board10+":8000") || !strings.Contains(string(out), "rtsp://"+address10+":8554") {
		t.Errorf("maixstream find:\n%s", out)
	}
	others := r.script("zeroconf_find.py")
	for _, want := range []string{"_http._tcp.local. " + address10 + ":8000", "_rtsp._tcp.local. " + address10 + ":8554"} {
		if !strings.Contains(others, want) {
			t.Errorf("python-zeroconf: want %s in\n%s", want, others)
		}
	}
}

const (
	address10 = "10.77.0.2" // toolchain/recipes/network.sh
	board10   = "http://" + address10
)
