package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReceiveRunsUntilSignalled(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	put := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	put("tokens", "first-token-16-long\n")
	config := put("receive.yaml", "listen: 127.0.0.1:0\ndir: "+filepath.Join(dir, "pictures")+"\ntoken-file: "+tokens+"\nkeep: 0s\nreport: 50ms\n")
	manager := newServiceManager(t)
	p := program(t, []string{"NOTIFY_SOCKET=" + manager.path}, "receive", "--config", config)
	url := p.url()
	manager.wants("READY=1")
	_, jpg, _ := samples(t)
	post := func(token string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+"/upload?device=cam&token="+token, bytes.NewReader(jpg))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Timestamp", fmt.Sprint(time.Now().Add(-48*time.Hour).Unix()))
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	if a, b := post("first-token-16-long"), post("second-token-16-long"); a != 200 || b != 401 {
		t.Errorf("%d with the token, %d with another", a, b)
	}
	p.said("1 devices  1 kept", 0)

	// A different token, and pictures of the day before yesterday are too old.
	put("tokens", "second-token-16-long\n")
	put("receive.yaml", strings.Replace(string(mustRead(t, config)), "keep: 0s", "keep: 24h", 1))
	from := len(p.text.String())
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	manager.wants("RELOADING=1")
	manager.wants("READY=1")
	if a, b := post("first-token-16-long"), post("second-token-16-long"); a != 401 || b != 200 {
		t.Errorf("after SIGHUP: %d with the old token, %d with the new one", a, b)
	}
	p.said("0 devices  0 kept", from)
	put("receive.yaml", "listen: nonsense\nmax-upload: -1\n")
	from = len(p.text.String())
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said("keeping the current configuration", from)
	if a := post("second-token-16-long"); a != 200 {
		t.Errorf("after a reload that was refused: %d", a)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	manager.wants("STOPPING=1")
	if code := p.code(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReceiveReportsErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--dir", ""}, exitUsage, "--dir"},
		{[]string{"--keep", "-1h"}, exitUsage, "--keep"},
		{[]string{"--max-upload", "0"}, exitUsage, "--max-upload"},
		{[]string{"--max-upload", "20MiB", "--max-bytes", "10MiB"}, exitUsage, "--max-bytes"},
		{[]string{"--max-pixels", "0"}, exitUsage, "max-pixels"},
		{[]string{"--tls-cert", file}, exitUsage, "key"},
		{[]string{"--token-file", file}, exitUsage, "nobody could get in"},
		{[]string{"extra"}, exitUsage, "extra"},
		{[]string{"--listen", busy.Addr().String(), "--dir", filepath.Join(dir, "new")}, exitFailed, "another program serves there"},
		{[]string{"--dir", file}, exitFailed, "directory"},
	} {
		code, _, problems := verbRun(t, nil, append([]string{"receive"}, c.args...)...)
		if code != c.code || !strings.Contains(problems, c.says) {
			t.Errorf("%v: code %d, %q; want %d, %q", c.args, code, problems, c.code, c.says)
		}
	}
}
