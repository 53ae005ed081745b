//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/maixstream/maixstream/internal/bench"
	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/internal/bench/usage"
)

// hardware measures the board's path in the simulator of the chip's libraries.
func (s *set) hardware() (*group, error) {
	g := &group{Title: "Hardware path in the simulator", Text: "`maixstream bench --source camera --size 1280x720` with the simulator of the chip's " +
		"libraries at 30 fps. The simulator's threads `sim-*`, which replace sensor, scaler and encoder, are not counted. The other threads are Go's " +
		"(capture, ring, server, the runtime's monitor), `mpi` (which makes all library calls: nearly all of its time is the simulator's own code and " +
		"system calls that the chip's driver does not need; the rest is copying the picture into the ring's slot) and `ISP0_RUN` (the libraries' own " +
		"loop, here the simulator's)."}
	if s.simLibs == "" {
		g.Skipped = "no simulator given"
		return g, nil
	}
	for _, clients := range []int{0, 8} {
		for range s.runs {
			r, err := s.bench([]string{"MAIXSTREAM_ROOT=" + s.simRoot}, "--source", "camera", "--mpi-lib-dir", s.simLibs, "--size", "1280x720", "--clients", strconv.Itoa(clients),
				"--duration", (s.window + time.Second).String())
			if err != nil {
				return nil, err
			}
			capture := r.Stage(bench.Capture)
			all := 0.0
			for name, us := range r.Threads {
				if !strings.HasPrefix(name, "sim-") {
					all += us
				}
			}
			if clients > 0 {
				g.add("8 viewers: CPU per frame in all threads", "µs", all)
				g.add("8 viewers: CPU per delivered frame, the server alone", "µs", r.Stage(bench.Deliver).CPUMicros)
				continue
			}
			g.add("CPU per frame in the reading thread alone: pass the slot to `mpi`, wait for the picture", "µs", capture.CPUMicros)
			g.add("CPU per frame for publishing alone", "µs", r.Stage(bench.Publish).CPUMicros)
			g.add("CPU per frame in Go's threads", "µs", goThreads(r)).atMost(100)
			g.add("CPU per frame in `mpi`", "µs", r.Threads["mpi"])
			g.add("CPU per frame in all threads", "µs", all)
			g.add("objects allocated per frame", "", capture.Allocs+r.Stage(bench.Publish).Allocs)
			g.add("first frame after opening", "ms", r.FirstFrame)
		}
	}
	return g, nil
}

// goThreads returns the time of unnamed threads.
func goThreads(r *bench.Result) float64 { return r.Threads["maixstream"] }

// bench runs maixstream bench --json.
func (s *set) bench(environment []string, args ...string) (*bench.Result, error) {
	cmd := exec.Command(s.program, append([]string{"bench", "--json", "--log-level", "error"}, args...)...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("maixstream bench %s: %w", strings.Join(args, " "), err)
	}
	var r bench.Result
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("maixstream bench: %w", err)
	}
	return &r, nil
}

// serving is a running maixstream serve.
type serving struct {
	cmd     *exec.Cmd
	address string
	began   time.Time
}

func (s *set) serve(args ...string) (*serving, error) { return serveBy([]string{s.program}, args...) }

func serveBy(program []string, args ...string) (*serving, error) {
	cmd := exec.Command(program[0], append(append(program[1:], "serve", "--listen", "127.0.0.1:0", "--announce=false", "--report", "0", "--log-level", "error"), args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	v := &serving{cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		v.end()
		return nil, fmt.Errorf("maixstream serve: %w", err)
	}
	v.address = strings.TrimPrefix(strings.TrimSpace(line), "http://")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return v, nil
}

func (v *serving) end() {
	_ = v.cmd.Process.Signal(syscall.SIGTERM)
	_ = v.cmd.Wait()
}

// cpu returns the CPU time of the process so far.
func (v *serving) cpu() (time.Duration, error) { return usage.Process(v.cmd.Process.Pid) }

// idle measures a server without viewers.
func (s *set) idle() (*group, error) {
	g := &group{Title: "Idle", Text: "`maixstream serve --source testcard` without viewers: CPU time of the whole process, three seconds after its start."}
	for range s.runs {
		v, err := s.serve("--source", "testcard")
		if err != nil {
			return nil, err
		}
		time.Sleep(3 * time.Second)
		window := max(s.window, 2*time.Second)
		before, err := v.cpu()
		if err == nil {
			time.Sleep(window)
			var after time.Duration
			if after, err = v.cpu(); err == nil {
				g.add("CPU", "% of a core", 100*(after-before).Seconds()/window.Seconds()).atMost(1)
				g.add("resident memory", "MiB", float64(usage.Resident(v.cmd.Process.Pid))/(1<<20))
				g.add("of it, other than program and library files", "MiB", float64(usage.Anonymous(v.cmd.Process.Pid))/(1<<20))
			}
		}
		v.end()
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// start measures the time from the program's start to a viewer's first picture.
func (s *set) start() (*group, error) {
	g := &group{Title: "Start", Text: "From launching `maixstream serve --source testcard` to the last byte of the first picture at a viewer that " +
		"connects as soon as the address is printed."}
	for _, size := range []string{"640x480", "1280x720"} {
		for range 2 * s.runs {
			took, err := s.firstFrame(size)
			if err != nil {
				return nil, err
			}
			g.add(size+": first frame", "ms", ms(took)).atMost(200)
		}
	}
	return g, nil
}

func (s *set) firstFrame(size string) (time.Duration, error) {
	v, err := s.serve("--source", "testcard", "--size", size)
	if err != nil {
		return 0, err
	}
	defer v.end()
	viewer, err := load.Connect(v.address, "/stream", 1)
	if err != nil {
		return 0, err
	}
	defer viewer.Close()
	viewer.Markers = true
	for {
		r, err := viewer.Read(time.Millisecond)
		if err != nil || r.Frames > 0 {
			return time.Since(v.began), err
		}
		if time.Since(v.began) > 10*time.Second {
			return 0, fmt.Errorf("no picture within 10 s")
		}
	}
}
