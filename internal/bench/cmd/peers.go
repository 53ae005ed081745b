//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/internal/encodertest"
)

// peers compares with µStreamer, given the same JPEGs.
func (s *set) peers() (*group, error) {
	g := &group{Title: "Compared with Debian's ustreamer", Text: "Both pass through the same 1280x720 JPEGs (quality 80) at 30 fps: ustreamer (`--format " +
		"MJPEG --encoder HW`) from a webcam simulated by a preloaded library (`internal/bench/webcam`; its buffers already hold the pictures, so a frame " +
		"costs ustreamer only its own copy), the server as in the first section. CPU time is that of the whole process per delivered frame; the bare " +
		"loop, with the same pictures, alternates with both. mjpg-streamer is not in Debian."}
	other, dir, err := s.peer(g)
	if err != nil || g.Skipped != "" {
		return g, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pictures")
	size, err := makePictures(file, frame.Size{Width: 1280, Height: 720})
	if err != nil {
		return nil, err
	}
	g.add("mean picture size, bytes", "", size)
	for _, viewers := range []int{8, 64} {
		for range s.runs {
			c := load.Delivery{Viewers: viewers, FPS: fps, Pictures: file, Duration: s.window}
			var bare, ours load.Delivered
			if err := bare.Add(c, "bare"); err != nil {
				return nil, err
			}
			if err := ours.Add(c, "server"); err != nil {
				return nil, err
			}
			theirs, seen, err := s.ustreamer(file, "MJPEG", frame.Size{Width: 1280, Height: 720}, viewers)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", other, err)
			}
			name := func(what string) string { return fmt.Sprintf("%d viewers: %s", viewers, what) }
			g.add(name("bare loop"), "µs", bare.Micros())
			g.add(name("maixstream"), "µs", ours.Micros())
			g.add(name(other), "µs", theirs)
			g.add(name("maixstream / bare loop"), "", ours.Micros()/bare.Micros())
			g.add(name(other+" / bare loop"), "", theirs/bare.Micros())
			g.add(name("maixstream / "+other), "", ours.Micros()/theirs).atMost(1)
			g.add(name("maixstream, frames per second and viewer"), "", float64(ours.Last.Frames)/float64(viewers)/ours.Last.Elapsed.Seconds())
			g.add(name(other+", frames per second and viewer"), "", float64(seen.Frames)/float64(viewers)/seen.Elapsed.Seconds())
		}
	}
	return g, nil
}

// peer returns the other program's name, and a directory for its pictures; or sets g.Skipped.
func (s *set) peer(g *group) (name, dir string, err error) {
	if s.webcam == "" {
		g.Skipped = "no simulated webcam given"
		return "", "", nil
	}
	out, err := exec.Command("ustreamer", "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("ustreamer: %w", err)
	}
	dir, err = os.MkdirTemp("", "maixstream-bench-")
	return "ustreamer " + strings.TrimSpace(string(out)), dir, err
}

// webcamPeer compares the cost of encoding a webcam's packed frames.
func (s *set) webcamPeer() (*group, error) {
	g := &group{Title: "A webcam's frames, compared with Debian's ustreamer", Text: "Encoding packed 4:2:2 (YUYV) frames of the encoder's scene to 4:2:0 " +
		"JPEGs of quality 80, at 30 fps with one worker. ustreamer reads them from the simulated webcam and has one viewer; its figure is the CPU time of " +
		"its process per frame, minus that of the same process with the same viewer and ready-made JPEGs of that scene. maixstream's figure is that of " +
		"the encoder thread, which also starts a frame 30 times per second. Both include the conversion. ustreamer 6 converts in the same way as this " +
		"version."}
	other, dir, err := s.peer(g)
	if err != nil || g.Skipped != "" {
		return g, err
	}
	defer os.RemoveAll(dir)
	for _, size := range []frame.Size{{Width: 1280, Height: 720}, {Width: 1920, Height: 1080}} {
		packed := packedOf(encodertest.Scene(size.Width, size.Height))
		frames, pictures := filepath.Join(dir, "frames"), filepath.Join(dir, "pictures")
		if err := load.WritePictures(frames, [][]byte{packed.Planes[0]}); err != nil {
			return nil, err
		}
		if _, err := makePictures(pictures, size); err != nil {
			return nil, err
		}
		for range s.runs {
			ours, err := paced(packed, 2*s.window)
			if err != nil {
				return nil, err
			}
			theirs, _, err := s.ustreamer(frames, "YUYV", size, 1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", other, err)
			}
			passed, _, err := s.ustreamer(pictures, "MJPEG", size, 1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", other, err)
			}
			theirs = (theirs - passed) / 1e3
			name := fmt.Sprintf("%dx%d: ", size.Width, size.Height)
			g.add(name+"maixstream", "ms", ours)
			g.add(name+other, "ms", theirs)
			g.add(name+"maixstream / "+other, "", ours/theirs).atMost(0.6)
		}
	}
	return g, nil
}

// paced returns the encoder's CPU time per frame in milliseconds at 30 frames per second.
func paced(f *frame.Frame, d time.Duration) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e, err := hw.NewEncoder()
	if err != nil {
		return 0, err
	}
	defer e.Close()
	dst := make([]byte, frame.MaxJPEGSize(f.Width, f.Height))
	if _, err := e.Encode(dst, f, 80); err != nil { // its buffers grow
		return 0, err
	}
	tick := time.NewTicker(time.Second / fps)
	defer tick.Stop()
	n, spent := 0, time.Duration(0)
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		<-tick.C
		before := usage.Thread()
		if _, err := e.Encode(dst, f, 80); err != nil {
			return 0, err
		}
		spent += usage.Thread() - before
	}
	return ms(spent) / float64(n), nil
}

// makePictures writes eight JPEGs of a scene to a file and returns their mean size in bytes.
func makePictures(file string, size frame.Size) (mean float64, err error) {
	e, err := hw.NewEncoder()
	if err != nil {
		return 0, err
	}
	defer e.Close()
	const count = 8
	f := planarOf(encodertest.Scene(size.Width, size.Height))
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
	return mean, load.WritePictures(file, all)
}

// ustreamer returns ustreamer's CPU time per delivered frame in µs, with pictures from the simulated webcam, and its viewers' report.
func (s *set) ustreamer(pictures, format string, size frame.Size, viewers int) (float64, load.Report, error) {
	v, err := s.startUstreamer(pictures, format, size)
	if err != nil {
		return 0, load.Report{}, err
	}
	defer v.end()
	used, seen, err := s.watched(v, viewers)
	return float64(used) / 1e3 / float64(max(seen.Frames, 1)), seen, err
}

// watched returns a server's CPU time while it has viewers, and their report.
func (s *set) watched(v *serving, viewers int) (time.Duration, load.Report, error) {
	c, err := load.Start("", load.Role{Kind: "viewers", Address: v.address, Path: "/stream", Viewers: viewers, Markers: true})
	if err != nil {
		return 0, load.Report{}, err
	}
	defer c.End()
	if _, err := c.Read(time.Second); err != nil {
		return 0, load.Report{}, err
	}
	before, err := v.cpu()
	if err != nil {
		return 0, load.Report{}, err
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

func (s *set) startUstreamer(pictures, format string, size frame.Size) (*serving, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it needs a port number: one that was free a moment ago
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	v := &serving{address: fmt.Sprintf("127.0.0.1:%d", port), began: time.Now()}
	resolution, encoder := fmt.Sprintf("%dx%d", size.Width, size.Height), "HW"
	if format == "YUYV" {
		encoder = "CPU"
	}
	v.cmd = exec.Command("ustreamer", "--device", "/dev/video99", "--format", format, "--encoder", encoder, "--workers", "1", "--resolution", resolution,
		"--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log-level", "0")
	v.cmd.Env = append(os.Environ(), "LD_PRELOAD="+s.webcam, "WEBCAM_PICTURES="+pictures,
		"WEBCAM_SIZE="+resolution, "WEBCAM_FORMAT="+format, "WEBCAM_FPS="+strconv.Itoa(fps))
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
