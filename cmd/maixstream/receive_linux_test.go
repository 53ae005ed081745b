package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReceiveRunsUntilItIsTold(t *testing.T) {
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

	// Another token, and pictures of the day before yesterday are too old.
	put("tokens", "second-token-16-long\n")
	put("receive.yaml", strings.Replace(string(mustRead(t, config)), "keep: 0s", "keep: 24h", 1))
	from := len(p.output())
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
	from = len(p.output())
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said("the old configuration stays", from)
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

func TestReceiveSaysWhatIsWrong(t *testing.T) {
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

// kept lists the pictures below dir in the order in which they were written.
func keptInOrder(t *testing.T, dir string) (names []string) {
	t.Helper()
	written := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".jpg" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			names = append(names, path)
			written[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(names, func(a, b string) int { return written[a].Compare(written[b]) })
	return names
}

// A thousand pictures are pushed by way of a spool while receive is killed and started again ten times: all arrive, once, in order.
func TestSpooledPicturesArriveOnceThoughReceiveIsKilled(t *testing.T) {
	for as, size := range map[string][2]int{"raw": {1000, 10}, "form": {150, 2}} {
		t.Run(as, func(t *testing.T) {
			count, kills := size[0], size[1]
			if testing.Short() {
				count, kills = 100, 2
			}
			dir, spool := t.TempDir(), t.TempDir()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			l.Close()
			start := func() *process {
				p := program(t, nil, "receive", "--listen", address, "--dir", dir, "--report", "0s", "--keep", "0s")
				p.url()
				return p
			}
			server := start()
			pusher := program(t, nil, "push", "--source", "testcard", "--size", "160x120", "--fps", "100", "--count", fmt.Sprint(count), "--as", as,
				"--device", "cam", "--spool", spool, "--retry", "5m", "http://"+address+"/upload")
			arrived := func() int { return len(keptInOrder(t, dir)) }
			for kill := range kills {
				until(t, "more pictures arrive", func() bool { return arrived() >= (kill+1)*count/(kills+2) })
				if err := server.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				<-server.ended
				server = start()
			}
			select {
			case <-pusher.ended:
			case <-time.After(2 * time.Minute):
				t.Fatalf("push does not end; %d have arrived", arrived())
			}
			if code := pusher.ProcessState.ExitCode(); code != exitDone {
				t.Errorf("push ends with %d", code)
			}
			sequence := regexp.MustCompile(`-(\d+)\.jpg$`)
			names := keptInOrder(t, dir)
			last := 0
			for _, name := range names {
				n := 0
				_, _ = fmt.Sscan(strings.TrimLeft(sequence.FindStringSubmatch(name)[1], "0"), &n)
				if n != last+1 {
					t.Errorf("%s comes after %d", filepath.Base(name), last)
				}
				last = n
			}
			if len(names) != count {
				t.Errorf("%d pictures, %d were sent", len(names), count)
			}
			reply, err := http.Get("http://" + address + "/devices")
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Body.Close()
			var state struct{ Devices []struct{ Pictures int } }
			if err := json.NewDecoder(reply.Body).Decode(&state); err != nil || len(state.Devices) != 1 || state.Devices[0].Pictures != count {
				t.Errorf("/devices: %+v (%v)", state, err)
			}
		})
	}
}
