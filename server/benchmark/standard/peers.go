//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/server/fanbench"
)

const webcam = "/dev/video0"

// peers compares with µStreamer, each with the same webcam, encoder library, size, rate and quality.
func (s *set) peers() (*group, error) {
	g := &group{Title: "Compared with Debian's ustreamer", Text: "In a virtual machine whose kernel has vivid, a simulated webcam: 640x480 YUYV, quality 80, two workers, first one server and then the other, by turns. " +
		"CPU time is that of the whole process: capture, conversion, encoding and delivery. \"Per delivered frame\" is the growth from one viewer to 32, by the frames that this delivers more. " +
		"(It cannot be given the same JPEGs here: that takes a webcam that delivers MJPEG, and vivid has none. mjpg-streamer is not in Debian.) The machine is emulated (TCG) where the processor's own virtualisation does not work, as on the machine below if its times are ten and more " +
		"times those above: vector instructions, of which encoders live, then cost more than anything else, so only the ratios say something, and little."}
	if _, err := os.Stat(webcam); err != nil {
		g.Skipped = webcam + " is missing: run make bench-peers"
		return g, nil
	}
	out, err := exec.Command("ustreamer", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ustreamer: %w", err)
	}
	other := "ustreamer " + strings.TrimSpace(string(out))
	const many = 32
	for i := range s.runs {
		perFrame, delivered := map[string]float64{}, map[string]float64{}
		order := []string{"maixstream", other}
		if i%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, name := range order {
			start := s.startOurs
			if name == other {
				start = startUstreamer
			}
			v, err := start()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			one, oneSeen, err := s.watched(v, 1)
			var all time.Duration
			var allSeen fanbench.Report
			if err == nil {
				all, allSeen, err = s.watched(v, many)
			}
			v.end()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			published := func(r fanbench.Report) float64 { return float64(r.Frames) / float64(r.Viewers) }
			perFrame[name] = ms(one) / published(oneSeen)
			// What the frames themselves cost is the same for one viewer and for many.
			extra := ms(all) - perFrame[name]*published(allSeen)
			delivered[name] = 1000 * extra / (float64(allSeen.Frames) - published(allSeen))
			g.add(name+": frames a second at a viewer, of 32", "", published(allSeen)/allSeen.Elapsed.Seconds())
			g.add(name+": CPU per frame with one viewer", "ms", perFrame[name])
			g.add(name+": CPU per delivered frame", "µs", delivered[name])
		}
		g.add("maixstream / "+other+": CPU per frame with one viewer", "", perFrame["maixstream"]/perFrame[other]).atMost(0.6)
		g.add("maixstream / "+other+": CPU per delivered frame", "", delivered["maixstream"]/delivered[other])
	}
	return g, nil
}

// watched is the CPU time of a server while viewers look, and what they saw.
func (s *set) watched(v *serving, viewers int) (time.Duration, fanbench.Report, error) {
	c, err := fanbench.Start("", fanbench.Role{Kind: "viewers", Address: v.address, Path: "/stream", Viewers: viewers, Markers: true})
	if err != nil {
		return 0, fanbench.Report{}, err
	}
	defer c.End()
	if _, err := c.Read(2 * time.Second); err != nil {
		return 0, fanbench.Report{}, err
	}
	before, err := v.cpu()
	if err != nil {
		return 0, fanbench.Report{}, err
	}
	r, err := c.Read(2 * s.window)
	if err != nil {
		return 0, r, err
	}
	after, err := v.cpu()
	if err == nil && r.Frames == 0 {
		err = fmt.Errorf("no frame in %v", r.Elapsed)
	}
	return after - before, r, err
}

func (s *set) startOurs() (*serving, error) {
	return s.serve("--source", "v4l2:"+webcam, "--size", "640x480", "--fps", "30", "--quality", "80", "--workers", "2")
}

func startUstreamer() (*serving, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it wants a port's number: one that was free a moment ago
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	v := &serving{address: fmt.Sprintf("127.0.0.1:%d", port), began: time.Now()}
	v.cmd = exec.Command("ustreamer", "--device", webcam, "--format", "YUYV", "--resolution", "640x480", "--desired-fps", "30", "--quality", "80", "--workers", "2",
		"--encoder", "CPU", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log-level", "0")
	v.cmd.Stderr = os.Stderr
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	for {
		conn, err := net.Dial("tcp", v.address)
		if err == nil {
			conn.Close()
			return v, nil
		}
		if time.Since(v.began) > 10*time.Second {
			v.end()
			return nil, fmt.Errorf("it does not answer: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
