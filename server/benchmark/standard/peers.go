//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/frame/encodertest"
	"github.com/maixstream/maixstream/server/fanbench"
)

// peers compares with µStreamer; both get the same JPEGs.
func (s *set) peers() (*group, error) {
	g := &group{Title: "Compared with Debian's ustreamer", Text: "Both are given the same JPEGs of 1280x720 (quality 80) at 30 fps, and pass them through: ustreamer (`--format MJPEG --encoder HW`) from a webcam that a preloaded library " +
		"pretends (`server/benchmark/webcam`; its buffers hold the pictures already, so a frame costs ustreamer no copy but its own), the server as in the first section. CPU time is that of the whole " +
		"process per delivered frame; the bare loop, given the same pictures, runs by turns with them. mjpg-streamer is not in Debian."}
	if s.webcam == "" {
		g.Skipped = "no pretended webcam was given"
		return g, nil
	}
	out, err := exec.Command("ustreamer", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ustreamer: %w", err)
	}
	other := "ustreamer " + strings.TrimSpace(string(out))
	dir, err := os.MkdirTemp("", "maixstream-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pictures")
	size, err := makePictures(file)
	if err != nil {
		return nil, err
	}
	g.add("bytes of a picture, mean", "", size)
	for _, viewers := range []int{8, 64} {
		for range s.runs {
			c := fanbench.Delivery{Viewers: viewers, FPS: fps, Pictures: file, Duration: s.window}
			var bare, ours fanbench.Delivered
			if err := bare.Add(c, "bare"); err != nil {
				return nil, err
			}
			if err := ours.Add(c, "server"); err != nil {
				return nil, err
			}
			v, err := s.startUstreamer(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", other, err)
			}
			used, seen, err := s.watched(v, viewers)
			v.end()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", other, err)
			}
			theirs := float64(used) / 1e3 / float64(seen.Frames)
			name := func(what string) string { return fmt.Sprintf("%d viewers: %s", viewers, what) }
			g.add(name("bare loop"), "µs", bare.Micros())
			g.add(name("maixstream"), "µs", ours.Micros())
			g.add(name(other), "µs", theirs)
			g.add(name("maixstream / bare loop"), "", ours.Micros()/bare.Micros())
			g.add(name(other+" / bare loop"), "", theirs/bare.Micros())
			g.add(name("maixstream / "+other), "", ours.Micros()/theirs).atMost(1)
			g.add(name("maixstream, frames a second at a viewer"), "", float64(ours.Last.Frames)/float64(viewers)/ours.Last.Elapsed.Seconds())
			g.add(name(other+", frames a second at a viewer"), "", float64(seen.Frames)/float64(viewers)/seen.Elapsed.Seconds())
		}
	}
	return g, nil
}

// makePictures writes eight JPEGs of a scene to a file and returns their mean size in bytes.
func makePictures(file string) (mean float64, err error) {
	e, err := hw.NewEncoder()
	if err != nil {
		return 0, err
	}
	defer e.Close()
	const count = 8
	f := planarOf(encodertest.Scene(1280, 720))
	dst := make([]byte, frame.MaxJPEGSize(f.Width, f.Height))
	var all [][]byte
	for i := range count {
		for k := range 64 { // a mark that differs
			f.Planes[0][(8*i)*f.Strides[0]+k] = byte(255 * (k / 8 % 2))
		}
		n, err := e.Encode(dst, f, 80)
		if err != nil {
			return 0, err
		}
		all = append(all, append([]byte(nil), dst[:n]...))
		mean += float64(n) / count
	}
	return mean, fanbench.WritePictures(file, all)
}

// watched is the CPU time of a server while viewers look, and what they saw.
func (s *set) watched(v *serving, viewers int) (time.Duration, fanbench.Report, error) {
	c, err := fanbench.Start("", fanbench.Role{Kind: "viewers", Address: v.address, Path: "/stream", Viewers: viewers, Markers: true})
	if err != nil {
		return 0, fanbench.Report{}, err
	}
	defer c.End()
	if _, err := c.Read(time.Second); err != nil {
		return 0, fanbench.Report{}, err
	}
	before, err := v.cpu()
	if err != nil {
		return 0, fanbench.Report{}, err
	}
	r, err := c.Read(s.window)
	if err != nil {
		return 0, r, err
	}
	after, err := v.cpu()
	if err == nil && r.Frames == 0 {
		err = fmt.Errorf("no frame in %v", r.Elapsed)
	}
	return after - before, r, err
}

func (s *set) startUstreamer(pictures string) (*serving, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it wants a port's number: one that was free a moment ago
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	v := &serving{address: fmt.Sprintf("127.0.0.1:%d", port), began: time.Now()}
	v.cmd = exec.Command("ustreamer", "--device", "/dev/video99", "--format", "MJPEG", "--encoder", "HW", "--resolution", "1280x720",
		"--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log-level", "0")
	v.cmd.Env = append(os.Environ(), "LD_PRELOAD="+s.webcam, "WEBCAM_PICTURES="+pictures, "WEBCAM_SIZE=1280x720", "WEBCAM_FPS="+strconv.Itoa(fps))
	log, err := os.CreateTemp(filepath.Dir(pictures), "log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	v.cmd.Stdout, v.cmd.Stderr = log, log
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
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("it does not answer: %w\n%s", err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
