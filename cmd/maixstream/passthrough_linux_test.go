//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/casetest"
)

// BenchmarkPassThrough measures serve's CPU time per picture of 112 kB on standard input at 30 fps: to read and check it, and with one
// viewer and eight, which yields the cost of publishing with the first viewer, and of each further one.
func BenchmarkPassThrough(b *testing.B) {
	base := casetest.Read(b, "base.jpg")
	// Entropy-coded data has a stuffed 0xff every few hundred bytes.
	filling := bytes.Repeat(append(bytes.Repeat([]byte{0x5a}, 254), 0xff, 0), (112_000-len(base))/256)
	picture := bytes.Join([][]byte{base[:len(base)-2], filling, base[len(base)-2:]}, nil)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, programFor(b), "serve", "--listen", "127.0.0.1:0", "--announce=false", "--report", "0", "--log-level", "error", "--source", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	const fps = 30
	go camera(ctx, in, picture, fps, false)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	view := func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSpace(line)+"/stream", nil)
		if err != nil {
			b.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, reply.Body); _ = reply.Body.Close() }()
	}
	viewers := 0
	measure := func(with int) (ms float64) {
		for ; viewers < with; viewers++ {
			view()
		}
		time.Sleep(time.Second)
		before, begin := cpuOf(b, cmd.Process.Pid), time.Now()
		time.Sleep(6 * time.Second)
		return float64(cpuOf(b, cmd.Process.Pid)-before) / 1e6 / (time.Since(begin).Seconds() * fps)
	}
	alone, one, eight := measure(0), measure(1), measure(8) // long enough, whatever -benchtime says
	b.ReportMetric(alone, "read-ms/frame")
	b.ReportMetric(one, "one-viewer-ms/frame")
	b.ReportMetric((eight-one)/7, "each-further-ms/frame")
}

// programFor builds the program as released.
func programFor(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "maixstream")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return program
}

// cpuOf returns the CPU time of all threads of a process, in nanoseconds.
func cpuOf(b *testing.B, pid int) (sum uint64) {
	b.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return sum
}
