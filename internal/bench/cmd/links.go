//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// links measures links slower than the stream.
func (s *set) links() (*group, error) {
	g := &group{Title: "Age of frames on a slow link", Text: "One viewer in another network namespace, behind `tc tbf burst 16kb latency 50ms` of the " +
		"given rate. The stream is 70 KiB at 30 fps (17 Mbit/s). Age is from capture to the last byte."}
	for _, link := range []struct {
		rate     string
		carries  float64 // bytes per second
		p50, p99 float64 // goals, ms; 0: none
	}{{"10mbit", 10e6 / 8, 150, 200}, {"4mbit", 4e6 / 8, 0, 350}} {
		for range s.runs {
			r, err := overLink(link.rate, max(2*s.window, 4*time.Second))
			if errors.Is(err, load.ErrNoLink) {
				g.Skipped = err.Error()
				return g, nil
			}
			if err != nil {
				return nil, err
			}
			if f := g.add(link.rate+": age p50", "ms", ms(r.P50)); link.p50 > 0 {
				f.atMost(link.p50)
			}
			g.add(link.rate+": age p99", "ms", ms(r.P99)).atMost(link.p99)
			g.add(link.rate+": share of the link used", "%", 100*float64(r.Bytes)/r.Elapsed.Seconds()/link.carries)
			g.add(link.rate+": frames per second", "", float64(r.Frames)/r.Elapsed.Seconds())
		}
	}
	return g, nil
}

func overLink(rate string, window time.Duration) (r load.Report, err error) {
	l, err := load.NewLink(rate)
	if err != nil {
		return r, err
	}
	defer l.Close()
	server, err := load.Start(l.Here, load.Role{Kind: "server", Address: l.Address + ":0", FPS: fps, Size: frameSize})
	if err != nil {
		return r, err
	}
	defer server.End()
	v, err := load.Start(l.There, load.Role{Kind: "viewers", Address: server.Address, Path: "/stream", Viewers: 1, Sums: true})
	if err != nil {
		return r, err
	}
	defer v.End()
	if _, err = v.Read(time.Second); err != nil {
		return r, err
	}
	return v.Read(window)
}

// slow measures viewers that read less than is offered, or nothing.
func (s *set) slow() (*group, error) {
	g := &group{Title: "Slow and stalled viewers", Text: "A stream of 70 KiB at 30 fps (2.2 MB/s) over loopback. A slow viewer reads 500 kB/s. Stalled " +
		"viewers read nothing for two seconds; the kernel memory of each, on the server's side, is what `ss -tm` reports as allocated for sending, queued " +
		"for sending, received and reserved."}
	for range s.runs {
		server, err := load.Start("", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: fps, Size: frameSize})
		if err != nil {
			return nil, err
		}
		err = s.slowOn(server, g)
		server.End()
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (s *set) slowOn(server *load.Child, g *group) error {
	v, err := load.Start("", load.Role{Kind: "viewers", Address: server.Address, Path: "/stream", Viewers: 1, Sums: true, BytesPerSec: 500e3})
	if err != nil {
		return err
	}
	defer v.End()
	if _, err := v.Read(time.Second); err != nil {
		return err
	}
	r, err := v.Read(max(s.window, 3*time.Second))
	if err != nil {
		return err
	}
	g.add("slow viewer: age p50", "ms", ms(r.P50))
	g.add("slow viewer: age p99", "ms", ms(r.P99)).atMost(1000)
	g.add("slow viewer: frames per second", "", float64(r.Frames)/r.Elapsed.Seconds())

	stalled, err := load.Start("", load.Role{Kind: "viewers", Address: server.Address, Path: "/stream", Viewers: 8, Stalled: true})
	if err != nil {
		return err
	}
	defer stalled.End()
	time.Sleep(2 * time.Second)
	most, err := kernelMemory(server.Address)
	if err != nil {
		g.Skipped = "kernel memory: " + err.Error()
		return nil
	}
	g.add("stalled viewer: kernel memory, the largest of 8", "KiB", most/1024).atMost(256)
	return nil
}

// kernelMemory returns the most that the kernel holds for one connection at the server's address, in bytes.
func kernelMemory(address string) (float64, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	out, err := exec.Command("ss", "-tmnH", "state", "established", "sport", "=", ":"+port).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ss: %w: %s", err, out)
	}
	most := -1.0
	// r: received; f: reserved; w: queued for sending, including t (ss(8)).
	for _, fields := range regexp.MustCompile(`skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),`).FindAllStringSubmatch(string(out), -1) {
		sum := 0.0
		for _, f := range fields[1:] {
			n, err := strconv.ParseFloat(f, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		most = max(most, sum)
	}
	if most < 0 {
		return 0, fmt.Errorf("ss shows no connection: %s", out)
	}
	return most, nil
}
