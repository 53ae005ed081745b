//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/bench/load"
)

const (
	frameSize = 70 << 10 // bytes of a JPEG of 1280x720 at quality 80
	smallSize = 30 << 10 // of 640x480
	fps       = 30
)

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// delivery compares the server with the bare loop.
func (s *set) delivery() (*group, error) {
	g := &group{Title: "Delivery: server compared with a bare loop", Text: "Viewers of 1280x720 at 30 fps (pictures of 70 KiB) over loopback. The bare " +
		"loop is `internal/bench/load/bare.c`: one thread, one epoll, one writev per frame and viewer, from memory that already holds the pictures. The " +
		"server's figure includes copying each picture into its ring and publishing it. \"Publishing\" is the CPU time of the same process without " +
		"viewers; \"the same without publishing\" subtracts it, leaving delivery alone. The more viewers share a frame, the less publishing matters. " +
		"Delay is from before publishing to the last byte read by the viewer."}
	idle := make([]float64, s.runs) // µs per published frame without viewers
	for i := range idle {
		use, err := publishing(s.window)
		if err != nil {
			return nil, err
		}
		idle[i] = use
		g.add("publishing, CPU per published frame", "µs", use)
	}
	// A frame during which the machine was busy is late for all its viewers: with few frames it alone makes up the hundredth that p99 shows.
	for _, c := range []load.Delivery{{Viewers: 8, Duration: 4 * s.window}, {Viewers: 64, Duration: 2 * s.window}, {Viewers: 256, Duration: s.window}} {
		c.FPS, c.Size = fps, frameSize
		viewers := c.Viewers
		for i := range s.runs {
			var ours, bare load.Delivered
			order := []string{"bare", "server"}
			if i%2 == 1 {
				order[0], order[1] = order[1], order[0]
			}
			for _, kind := range order {
				d := &ours
				if kind == "bare" {
					d = &bare
				}
				if err := d.Add(c, kind); err != nil {
					return nil, err
				}
			}
			name := func(what string) string { return fmt.Sprintf("%d viewers: %s", viewers, what) }
			g.add(name("bare loop, CPU per delivered frame"), "µs", bare.Micros())
			g.add(name("server, CPU per delivered frame"), "µs", ours.Micros())
			g.add(name("server / bare loop"), "", ours.Micros()/bare.Micros()).atMost(1.10)
			g.add(name("the same without publishing"), "", (ours.Micros()-idle[i]*float64(ours.Published)/float64(ours.Frames))/bare.Micros())
			g.add(name("bare loop, delay p50"), "ms", ms(bare.Last.P50))
			g.add(name("bare loop, delay p99"), "ms", ms(bare.Last.P99))
			g.add(name("server, delay p50"), "ms", ms(ours.Last.P50))
			delay := g.add(name("server, delay p99"), "ms", ms(ours.Last.P99))
			if viewers == 8 {
				delay.atMost(1)
			}
			ratio := g.add(name("delay p99, server / bare loop"), "", float64(ours.Last.P99)/float64(bare.Last.P99))
			if viewers == 64 {
				ratio.atMost(1)
			}
			g.add(name("frames skipped"), "%", 100*float64(ours.Last.Skipped)/float64(ours.Last.Frames+ours.Last.Skipped))
			g.add(name("objects allocated per delivered frame"), "", ours.Allocs())
		}
	}
	return g, nil
}

// publishing returns the CPU time per published frame in µs, in a server without viewers.
func publishing(window time.Duration) (float64, error) {
	c, err := load.Start("", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: fps, Size: frameSize})
	if err != nil {
		return 0, err
	}
	defer c.End()
	time.Sleep(time.Second)
	first, err := c.Usage()
	if err != nil {
		return 0, err
	}
	before, err := c.CPU()
	if err != nil {
		return 0, err
	}
	time.Sleep(window)
	after, err := c.CPU()
	if err != nil {
		return 0, err
	}
	last, err := c.Usage()
	if err != nil {
		return 0, err
	}
	return float64(after-before) / 1e3 / float64(max(1, last.Published-first.Published)), nil
}

// profile shows where the server's time goes.
func (s *set) profile() (*group, error) {
	g := &group{Title: "Delivery: CPU profiles", Text: "CPU profiles of the server, from pprof. `Syscall6` is time in the kernel; its part below " +
		"`fanout.send` is sending, which the bare loop does, too. The rest is the server's overhead."}
	if _, err := exec.LookPath("go"); err != nil {
		g.Skipped = "no go command for pprof"
		return g, nil
	}
	// Few viewers cost so little that a profile at 30 frames per second would have a handful of samples.
	for _, c := range []struct {
		viewers, fps int
		windows      time.Duration
	}{{8, 4 * fps, 6}, {256, fps, 4}} {
		d := load.Delivery{Viewers: c.viewers, FPS: c.fps, Size: frameSize, Duration: c.windows * s.window}
		table, err := profiled(d)
		if err == nil && strings.Contains(table, "Total samples = 0 ") { // now and then the kernel's timer misses all of so little work
			table, err = profiled(d)
		}
		if err != nil {
			return nil, err
		}
		g.Text += fmt.Sprintf("\n\n%d viewers of 1280x720 at %d fps:\n\n```\n%s\n```", c.viewers, c.fps, table)
	}
	return g, nil
}

// profiled returns pprof's table of a server's CPU time.
func profiled(d load.Delivery) (string, error) {
	file, err := os.CreateTemp("", "maixstream-bench-*.prof")
	if err != nil {
		return "", err
	}
	file.Close()
	defer os.Remove(file.Name())
	server, err := load.Start("", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: d.FPS, Size: d.Size, Profile: file.Name()})
	if err != nil {
		return "", err
	}
	var seen load.Delivered
	err = seen.Measure(d, server)
	server.End()
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=15", file.Name()).Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	_, table, found := strings.Cut(string(out), "Duration:")
	if !found {
		return "", fmt.Errorf("go tool pprof: unexpected output: %s", out)
	}
	return "Duration:" + strings.TrimRight(table, "\n"), nil
}

// crowd measures a thousand viewers.
func (s *set) crowd() (*group, error) {
	const viewers = 1024
	g := &group{Title: "1,024 viewers", Text: "640x480 at 30 fps (pictures of 30 KiB) over loopback. Every picture's checksum is verified; a wrong one " +
		"ends the benchmark. Reading and verifying the pictures takes more CPU time than serving them: on a busy machine it is the viewers that fall " +
		"behind. Memory is the growth of the server's resident memory between no viewers and all of them."}
	for range s.runs {
		server, err := load.Start("", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: fps, Size: smallSize})
		if err != nil {
			return nil, err
		}
		time.Sleep(1500 * time.Millisecond) // until each slot of the ring has been used
		before, err := server.Usage()
		var d load.Delivered
		if err == nil {
			err = d.Measure(load.Delivery{Viewers: viewers, FPS: fps, Size: smallSize, Duration: s.window, Warm: time.Second}, server)
		}
		server.End()
		if err != nil {
			return nil, err
		}
		seconds := d.Last.Elapsed.Seconds()
		g.add("frames per second and viewer", "", float64(d.Last.Frames)/viewers/seconds).atLeast(29.5)
		g.add("frames per second, the slowest viewer", "", float64(d.Last.Least)/seconds)
		g.add("frames verified, none corrupt", "", float64(d.Last.Frames))
		g.add("CPU per delivered frame", "µs", d.Micros())
		g.add("server's CPU", "% of a core", 100*d.CPU.Seconds()/seconds)
		g.add("delay p50", "ms", ms(d.Last.P50))
		g.add("delay p99", "ms", ms(d.Last.P99))
		g.add("memory per viewer", "KiB", float64(d.RSS-before.RSS)/1024/viewers).atMost(32)
	}
	return g, nil
}
