//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

func TestSnapshotToStandardOutputLeavesTheDevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "stdout") // like /dev/stdout, without affecting the real one
	if err := os.Symlink("/proc/self/fd/1", link); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), buildProgram(t), "snapshot", "--source", "testcard", "--size", "64x48", link).Output()
	if err != nil || !bytes.HasPrefix(out, []byte("\xff\xd8\xff")) || !bytes.HasSuffix(out, []byte("\xff\xd9")) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v (%v)", info, err)
	}
}

// A pipe blocks whoever opens it until it has another end: neither writing a picture nor reading a list of users may make the program deaf to Ctrl-C.
func TestSignalsEndAWaitForAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		often bool // another Ctrl-C is needed
		args  []string
	}{
		{false, []string{"snapshot", "--source", "testcard", "--size", "64x48", pipe}},
		{true, []string{"serve", "--source", "testcard", "--size", "64x48", "--listen", "127.0.0.1:0", "--webrtc=", "--announce=false", "--state-file", "none", "--auth-file", pipe}},
	} {
		program := exec.CommandContext(t.Context(), buildProgram(t), c.args...)
		problems, err := program.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(problems)
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "source running") {
			t.Fatal(line, err)
		}
		time.Sleep(200 * time.Millisecond) // now it most likely waits for the pipe
		ended := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, lines)
			close(ended)
		}()
		for n, wait := 0, true; wait; n++ {
			if n == 0 || c.often {
				_ = program.Process.Signal(os.Interrupt)
			}
			select {
			case <-ended:
				wait = false
			case <-time.After(500 * time.Millisecond):
				if n == 60 {
					t.Errorf("%s does not end", c.args[0])
					_ = program.Process.Kill()
				}
			}
		}
		_ = program.Wait()
		if code := program.ProcessState.ExitCode(); code != map[bool]int{false: exitFailed, true: interrupted}[c.often] {
			t.Errorf("%s: %v", c.args[0], program.ProcessState)
		}
	}
}

// A server that accepts and never replies is given up after --timeout.
func TestSnapshotTimeoutIncludesTheFirstOpening(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	begin := time.Now()
	code, _, problems := runIn(t, []string{"snapshot", "-", "--timeout", "300ms", "--source", "http://" + silent.Addr().String() + "/?token=secret"}, "", nil)
	if took := time.Since(begin); code != exitFailed || took > 4*time.Second || !strings.Contains(problems, "within 300ms (--timeout)") || strings.Contains(problems, "secret") {
		t.Errorf("code %d after %v: %s", code, took, problems)
	}
}

func TestTooLargeFramesNameTheFlag(t *testing.T) {
	s := &sourceFlags{size: sizeValue{640, 480}}
	got := s.explain(&frame.TooLargeError{Size: 7_800_000, Limit: 4_000_000, Width: 4000, Height: 3000})
	if got != "frame of 7.8 MB (4000x3000) exceeds the limit of 4.0 MB for 640x480; raise --size" {
		t.Error(got)
	}
}
