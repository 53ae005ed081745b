package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// healthz asks for /healthz.
func healthz(t *testing.T, url string) (code int, text string) {
	t.Helper()
	reply, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Header.Get("X-Time") == "" {
		t.Error("no X-Time: the page would not know that the server answers")
	}
	return reply.StatusCode, string(body)
}

// /healthz is healthy once pictures arrive, and unhealthy while they cannot be recorded.
func TestHealthOfARecording(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "card")
	p := program(t, nil, "serve", "--source", "testcard", "--size", "64x48", "--listen", "127.0.0.1:0", "--announce=false", "--report", "0s", "--record", dir, "--record-max", "4MiB")
	url := p.url()
	testenv.Eventually(t, "it is well", func() bool {
		code, text := healthz(t, url)
		if code != 200 || text != "ok\n" && !strings.HasPrefix(text, "starting: ") {
			t.Fatalf("at the start: %d %q", code, text)
		}
		return text == "ok\n"
	})
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is noticed", func() bool { code, _ := healthz(t, url); return code == 503 })
	if _, text := healthz(t, url); !strings.Contains(text, "recording into "+dir+": ") {
		t.Errorf("the reason: %q", text)
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is well again", func() bool { code, _ := healthz(t, url); return code == 200 })
}
