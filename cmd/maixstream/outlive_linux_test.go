package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// answers reports whether a server replies within a while.
func answers(url string) bool {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(url)
	if err != nil {
		return false
	}
	reply.Body.Close()
	return reply.StatusCode == http.StatusOK
}

// A server goes on when the reader of its output ends: a pipe's reader, or tee after 2>&1.
func TestServeOutlivesTheReaderOfItsOutput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := testenv.FreeAddress(t)
	for name, verb := range map[string]string{
		"serve":   "serve --announce=false --source testcard --log-level debug --report 50ms --listen " + address,
		"receive": "receive --log-level debug --report 50ms --dir " + t.TempDir() + " --listen " + address,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			// tee's process ID is written so that only it can be ended.
			script := `{ exec "$0" ` + verb + `; } 2>&1 | { sh -c 'echo $$ >"$1/tee"; exec tee' - "$1" >"$1/log"; }`
			cmd := exec.Command("bash", "-c", script, self, dir)
			cmd.Env = append(os.Environ(), beProgram+"=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				_ = cmd.Wait()
			}()
			url := "http://" + address + "/healthz"
			testenv.Eventually(t, "it serves", func() bool { return answers(url) })
			testenv.Eventually(t, "tee has written", func() bool {
				log, _ := os.ReadFile(filepath.Join(dir, "log"))
				return bytes.Contains(log, []byte("http://"+address))
			})
			number, err := os.ReadFile(filepath.Join(dir, "tee"))
			if err != nil {
				t.Fatal(err)
			}
			if err := testenv.Kill(string(number)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond) // ten reports
			if !answers(url) {
				t.Error("it ended with its log's reader")
			}
		})
	}
}

// Out of file descriptors, the log reports it once, and waiting clients are served when there are some again.
func TestOutOfFileDescriptors(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address, media := testenv.FreeAddress(t), testenv.FreeMediaAddress(t)
	cmd := exec.Command("bash", "-c", `ulimit -n 64; exec "$0" serve --announce=false --source testcard --report 0 --listen "$1" --rtsp "$2"`, self, address, media)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	var mu sync.Mutex
	var log strings.Builder
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			mu.Lock()
			log.WriteString(lines.Text() + "\n")
			mu.Unlock()
		}
	})
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		reading.Wait()
		_ = cmd.Wait()
	}()
	said := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), what)
	}
	testenv.Eventually(t, "it serves", func() bool { return answers("http://" + address + "/healthz") })
	var open []net.Conn
	for range 80 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	testenv.Eventually(t, "the log says so", func() bool { return said("cannot accept connections") > 0 })
	waiting, err := net.Dial("tcp", media) // RTSP runs out of them, too
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := io.WriteString(waiting, "OPTIONS rtsp://"+media+"/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "RTSP's listener says so", func() bool { return said("cannot accept connections") >= 2 })
	time.Sleep(2 * time.Second) // several attempts
	for _, conn := range open {
		conn.Close()
	}
	_ = waiting.SetReadDeadline(time.Now().Add(time.Minute))
	if line, err := bufio.NewReader(waiting).ReadString('\n'); err != nil || !strings.HasPrefix(line, "RTSP/1.0 200") {
		t.Errorf("RTSP's waiting client: %q %v", line, err)
	}
	testenv.Eventually(t, "HTTP is served again", func() bool { return answers("http://" + address + "/healthz") })
	if n := said("cannot accept connections"); n != 2 {
		t.Errorf("said %d times of two listeners:\n%s", n, log.String())
	}
	if said("ulimit -n") == 0 {
		t.Errorf("what to do is not said:\n%s", log.String())
	}
}
