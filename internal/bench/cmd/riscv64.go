//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// board runs the board's program on this machine.
type board struct {
	program, sysroot, plugin, simLibs, simRoot, simTool string
}

// Assumptions of the projection for the board's core (C906, in order, at best one instruction per cycle, 1 GHz).
const (
	cyclesPerInstruction = 2.0 // small caches, no second level
	kernelFactor         = 8.0 // ratio of kernel time per send, board to this machine: a third of the clock, and fewer instructions per cycle
)

// counted is a program whose instructions are counted.
type counted struct {
	file string
	pid  int
}

// command returns the command that runs the board's program and counts its instructions in file.
func (b *board) command(file string, environment ...string) []string {
	c := []string{"qemu-riscv64", "-L", b.sysroot, "-plugin", b.plugin + ",out=" + file}
	for _, e := range environment {
		c = append(c, "-E", e)
	}
	return append(c, b.program)
}

// read returns the instructions so far, by thread name.
func (c *counted) read() (map[string]uint64, error) {
	all, err := os.ReadFile(c.file)
	if err != nil {
		return nil, err
	}
	sums := map[string]uint64{}
	for ; len(all) >= 16; all = all[16:] {
		id, n := binary.LittleEndian.Uint64(all), binary.LittleEndian.Uint64(all[8:])
		if id == 0 {
			continue
		}
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", c.pid, id))
		if err != nil {
			continue // the thread has ended
		}
		sums[strings.TrimSpace(string(name))] += n
	}
	if len(sums) == 0 {
		return nil, fmt.Errorf("%s: nothing was counted", c.file)
	}
	return sums, nil
}

// own reports whether a thread is the program's own, not one of the simulator or the libraries. Under the emulator, Go's threads are named after it
// or after the program.
func own(name string) bool {
	return !strings.HasPrefix(name, "sim-") && name != "ISP0_RUN" && name != "mpi"
}

func ownSum(before, after map[string]uint64) (sum float64) {
	for name, n := range after {
		if own(name) {
			sum += float64(n - before[name])
		}
	}
	return sum
}

// instructions counts the instructions of the board's program per frame.
func (s *set) instructions() (*group, error) {
	g := &group{Title: "Instructions on the board (riscv64, counted under QEMU)", Text: "The board's executable under `qemu-riscv64`; a plugin " +
		"(`internal/bench/insncount`) counts its user-space instructions per thread. The server alone gets ready-made pictures of 70 KiB at 30 fps. The " +
		"hardware path is `maixstream serve --source camera` in the simulator; its thread `mpi`, which runs the simulator's code and copies the picture " +
		"into the ring, is not included in the sums. The projection assumes " + number(cyclesPerInstruction) + " cycles per instruction at 1 GHz and, for " +
		"the kernel's part of a send, which is not counted here, " + number(kernelFactor) + " times the bare loop's time on this machine: these are " +
		"assumptions, not measurements. Five viewers of this stream fill the board's 100 Mbit/s."}
	if s.board.program == "" {
		g.Skipped = "no program for the board given"
		return g, nil
	}
	if _, err := exec.LookPath("qemu-riscv64"); err != nil {
		g.Skipped = "no qemu-riscv64"
		return g, nil
	}
	dir, err := os.MkdirTemp("", "maixstream-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for run := range s.runs {
		none, _, err := s.serverInstructions(filepath.Join(dir, fmt.Sprint("none", run)), 0)
		if err != nil {
			return nil, err
		}
		g.add("server: per published frame, without viewers (including the copy into the ring)", "instructions", none)
		for _, viewers := range []int{8, 64} {
			all, delivered, err := s.serverInstructions(filepath.Join(dir, fmt.Sprint(viewers, "-", run)), viewers)
			if err != nil {
				return nil, err
			}
			each := (all - none) / delivered
			g.add(fmt.Sprintf("server: per delivered frame, %d viewers", viewers), "instructions", each)
			if viewers == 8 {
				var bare load.Delivered
				if err := bare.Add(load.Delivery{Viewers: viewers, FPS: fps, Size: frameSize, Duration: s.window}, "bare"); err != nil {
					return nil, err
				}
				g.add("projected CPU per delivered frame on the board", "µs", each*cyclesPerInstruction/1e3+bare.Micros()*kernelFactor)
			}
		}
		one, err := s.pathInstructions(filepath.Join(dir, fmt.Sprint("path1-", run)), 1, false)
		if err != nil {
			return nil, err
		}
		both, err := s.pathInstructions(filepath.Join(dir, fmt.Sprint("both-", run)), 1, true)
		if err != nil {
			return nil, err
		}
		g.add("hardware path: per frame, capture to ring to one viewer", "instructions", one)
		g.add("hardware path: per frame, JPEG and H.264, to one viewer each (/stream and /video.mp4)", "instructions", both)
		g.add("projected CPU per frame on the board, capture to ring to one viewer, without kernel and libraries", "µs", one*cyclesPerInstruction/1e3)
	}
	return g, nil
}

// serverInstructions returns the instructions per published frame, and how many viewers got it.
func (s *set) serverInstructions(file string, viewers int) (perFrame, delivered float64, err error) {
	server, err := load.StartProgram(s.board.command(file), "", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: fps, Size: frameSize})
	if err != nil {
		return 0, 0, err
	}
	defer server.End()
	c := &counted{file, server.PID()}
	if viewers == 0 {
		time.Sleep(2 * time.Second)
		use, counts, err := s.between(server, c, func() error { time.Sleep(s.window); return nil })
		return counts / float64(max(1, use.Published)), 0, err
	}
	v, err := load.Start("", load.Role{Kind: "viewers", Address: server.Address, Path: "/stream", Viewers: viewers, Sums: true})
	if err != nil {
		return 0, 0, err
	}
	defer v.End()
	if _, err := v.Read(2 * time.Second); err != nil {
		return 0, 0, err
	}
	var report load.Report
	use, counts, err := s.between(server, c, func() (err error) { report, err = v.Read(s.window); return err })
	published := float64(max(1, use.Published))
	return counts / published, float64(report.Frames) / published, err
}

// between returns what a server executes and publishes while f runs.
func (s *set) between(server *load.Child, c *counted, f func() error) (load.Usage, float64, error) {
	first, err := server.Usage()
	if err != nil {
		return first, 0, err
	}
	before, err := c.read()
	if err == nil {
		err = f()
	}
	if err != nil {
		return first, 0, err
	}
	after, err := c.read()
	if err != nil {
		return first, 0, err
	}
	last, err := server.Usage()
	last.Published -= first.Published
	return last, ownSum(before, after), err
}

// pathInstructions returns the instructions per frame of the simulated camera, with that many viewers, and optionally one of H.264.
func (s *set) pathInstructions(file string, viewers int, video bool) (float64, error) {
	b := &s.board
	if err := exec.Command(b.simTool, "root", b.simRoot, "--board", "maixcam").Run(); err != nil {
		return 0, fmt.Errorf("%s root: %w", b.simTool, err)
	}
	prefix := b.command(file, "LD_LIBRARY_PATH="+b.simLibs, "MAIXSTREAM_ROOT="+b.simRoot, "MAIXSIM_TOOL="+b.simTool,
		"MAIXSIM_SET=quiet=1") // the emulator keeps a signal open on every thread, which the simulator reports as a fault
	server, err := serveBy(prefix, "--source", "camera", "--mpi-lib-dir", b.simLibs, "--size", "1280x720")
	if err != nil {
		return 0, err
	}
	defer server.end()
	v, err := load.Start("", load.Role{Kind: "viewers", Address: server.address, Path: "/stream", Viewers: viewers, Markers: true})
	if err != nil {
		return 0, err
	}
	defer v.End()
	var units atomic.Int64 // bytes
	if video {
		watch, err := watchVideo(server.address, &units)
		if err != nil {
			return 0, err
		}
		defer watch.Close()
	}
	if _, err := v.Read(4 * time.Second); err != nil {
		return 0, err
	}
	earlier := units.Load()
	c := &counted{file, server.cmd.Process.Pid}
	before, err := c.read()
	if err != nil {
		return 0, err
	}
	r, err := v.Read(2 * s.window)
	if err != nil {
		return 0, err
	}
	after, err := c.read()
	if err != nil {
		return 0, err
	}
	if video && units.Load() == earlier {
		return 0, errors.New("no H.264 came")
	}
	frames := float64(r.Frames) / float64(viewers)
	if frames < 1 {
		return 0, fmt.Errorf("%s frames at %d viewers in %v", strconv.Itoa(r.Frames), viewers, r.Elapsed)
	}
	return ownSum(before, after) / frames, nil
}

// watchVideo reads a server's MP4, counting bytes, until closed.
func watchVideo(address string, bytes *atomic.Int64) (io.Closer, error) {
	reply, err := http.Get("http://" + address + "/video.mp4") //nolint:noctx // closing ends it
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(reply.Body, 300))
		_ = reply.Body.Close()
		return nil, fmt.Errorf("/video.mp4: %s: %s", reply.Status, reason)
	}
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := reply.Body.Read(b)
			bytes.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	return reply.Body, nil
}
