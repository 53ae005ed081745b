//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/internal/encodertest"
)

// filmFor makes the film that a group's programs deliver and returns the file, in a folder of its own that takes the programs'
// configurations, too, and its mean bytes per frame. If the group cannot run here, it is marked as skipped and there is
// no film. remove deletes the folder.
func (s *set) filmFor(g *group) (file string, size float64, remove func(), err error) {
	remove = func() {}
	if err := openh264.Available(); errors.Is(err, openh264.ErrMissing) {
		g.Skipped = err.Error()
		return "", 0, remove, nil
	}
	if s.peersDir == "" {
		g.Skipped = "no go2rtc and MediaMTX given"
		return "", 0, remove, nil
	}
	dir, err := os.MkdirTemp("", "maixstream-bench-")
	if err != nil {
		return "", 0, remove, err
	}
	file = filepath.Join(dir, "film")
	if size, err = makeFilm(file); err != nil {
		os.RemoveAll(dir)
		return "", 0, remove, err
	}
	return file, size, func() { os.RemoveAll(dir) }, nil
}

// film compares delivery of H.264 over RTSP with programs that do little else.
func (s *set) film() (*group, error) {
	g := &group{Title: "H.264 over RTSP, compared with MediaMTX and go2rtc", Text: "Readers over TCP of one 1280x720 stream at 30 fps and 2 Mbit/s, " +
		"encoded once by OpenH264. maixstream is its RTSP server with that stream as an H.264 source; its figure includes copying each picture into the " +
		"log. The others pull the stream from another such server with RTSP over TCP, and their figures include receiving it: a good part with one " +
		"reader, hardly any with 64. CPU time is that of the whole process per delivered frame. Memory per reader is the growth of resident memory from " +
		"one reader to 64, divided by 63. All three alternate."}
	file, size, remove, err := s.filmFor(g)
	if err != nil {
		return nil, err
	}
	defer remove()
	if g.Skipped != "" {
		return g, nil
	}
	g.add("mean frame size, bytes", "", size)
	origin, err := newFilmServer(file)
	if err != nil {
		return nil, err
	}
	defer origin.end()
	servers := []struct {
		name  string
		start func() (*filmServer, error)
	}{
		{"maixstream", func() (*filmServer, error) { return newFilmServer(file) }},
		{"MediaMTX", func() (*filmServer, error) { return s.newMediaMTX(filepath.Dir(file), origin.address) }},
		{"go2rtc", func() (*filmServer, error) { return s.newGo2rtc(filepath.Dir(file), origin.address) }},
	}
	for range s.runs {
		var resident [3][65]float64
		for _, readers := range []int{1, 8, 64} {
			var micros [3]float64
			for i, server := range servers {
				r, err := s.filmRun(server.start, "players", readers)
				if err != nil {
					return nil, fmt.Errorf("%s, %d readers: %w", server.name, readers, err)
				}
				micros[i], resident[i][readers] = r.micros, r.resident
				g.add(fmt.Sprintf("%s: %s, CPU per delivered frame", plural(readers), server.name), "µs", r.micros)
				g.add(fmt.Sprintf("%s: %s, frames per second and reader", plural(readers), server.name), "", r.rate)
			}
			g.add(plural(readers)+": CPU, maixstream / the better of the two", "", micros[0]/min(micros[1], micros[2])).atMost(1)
		}
		var each [3]float64
		for i, server := range servers {
			each[i] = (resident[i][64] - resident[i][1]) / 63 / 1024
			g.add(server.name+", memory per reader", "KiB", each[i])
		}
		g.add("memory per reader, maixstream / the better of the two", "", each[0]/min(each[1], each[2])).atMost(1)
	}
	return g, nil
}

func plural(readers int) string {
	if readers == 1 {
		return "1 reader"
	}
	return fmt.Sprintf("%d readers", readers)
}

// makeFilm writes a second of H.264 to a file and returns its frames' mean size in bytes.
func makeFilm(file string) (mean float64, err error) {
	const width, height = 1280, 720
	e, err := hw.NewVideoEncoder(frame.VideoConfig{Bitrate: 2_000_000, FPS: fps, GOP: time.Minute})
	if err != nil {
		return 0, err
	}
	defer e.Close()
	scene := encodertest.Scene(width+256, height)
	var units []frame.AccessUnit
	for i := range fps {
		view := scene.SubImage(image.Rect(2*i, 0, 2*i+width, height)).(*image.RGBA)
		moved := image.NewRGBA(image.Rect(0, 0, width, height))
		for y := range height {
			copy(moved.Pix[y*moved.Stride:][:4*width], view.Pix[y*view.Stride:])
		}
		var u frame.AccessUnit
		if err := e.Encode(planarOf(moved), i == 0, &u); err != nil {
			return 0, err
		}
		kept := frame.AccessUnit{}
		for _, nal := range u.NALs { // the encoder's
			kept.NALs = append(kept.NALs, bytes.Clone(nal))
		}
		mean += float64(kept.Size()) / fps
		units = append(units, kept)
	}
	return mean, load.WriteFilm(file, units)
}

// filmServer is a running RTSP server.
type filmServer struct {
	address, path string
	pid           int
	end           func()
}

func newFilmServer(file string) (*filmServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c, err := load.Start("", load.Role{Kind: "film", Address: address, FPS: fps, Pictures: file})
	if err != nil {
		return nil, err
	}
	return &filmServer{address, "/h264", c.PID(), c.End}, nil
}

func (s *set) newMediaMTX(dir, origin string) (*filmServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "mediamtx.yml")
	text := "logLevel: error\nrtmp: no\nhls: no\nwebrtc: no\nsrt: no\nrtspTransports: [tcp]\nrtspAddress: " + address + "\npaths:\n  film:\n    source: rtsp://" + origin +
		"/h264\n    rtspTransport: tcp\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return startPeer(address, exec.Command(filepath.Join(s.peersDir, "mediamtx"), config))
}

func (s *set) newGo2rtc(dir, origin string) (*filmServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "go2rtc.yaml")
	text := "log: {level: error}\napi: {listen: \"\"}\nwebrtc: {listen: \"\"}\nsrtp: {listen: \"\"}\nrtsp: {listen: \"" + address +
		"\"}\nstreams:\n  film: rtsp://" + origin + "/h264\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return startPeer(address, exec.Command(filepath.Join(s.peersDir, "go2rtc"), "-config", config))
}

func startPeer(address string, cmd *exec.Cmd) (*filmServer, error) {
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return &filmServer{address, "/film", cmd.Process.Pid, end}, nil
		}
		if time.Since(began) > 10*time.Second {
			end()
			return nil, fmt.Errorf("%s does not answer: %w: %s", cmd.Path, err, log.String())
		}
	}
}

// freeAddress returns an address whose port was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// filmFigures are one server's with that many readers.
type filmFigures struct{ micros, rate, resident float64 }

func (s *set) filmRun(start func() (*filmServer, error), kind string, readers int) (f filmFigures, err error) {
	server, err := start()
	if err != nil {
		return f, err
	}
	defer server.end()
	c, err := load.Start("", load.Role{Kind: kind, Address: server.address, Path: server.path, Viewers: readers})
	if err != nil {
		return f, err
	}
	defer c.End()
	if _, err := c.Read(time.Second); err != nil {
		return f, err
	}
	before, err := usage.Process(server.pid)
	if err != nil {
		return f, err
	}
	r, err := c.Read(2 * s.window)
	if err != nil {
		return f, err
	}
	after, err := usage.Process(server.pid)
	if err != nil {
		return f, err
	}
	if r.Frames == 0 {
		return f, fmt.Errorf("no frame in %v", r.Elapsed)
	}
	return filmFigures{
		micros: float64(after-before) / 1e3 / float64(r.Frames), rate: float64(r.Frames) / float64(readers) / r.Elapsed.Seconds(),
		resident: float64(usage.Resident(server.pid)),
	}, nil
}

// resting compares JPEG's cost with H.264 available and without.
func (s *set) resting() (*group, error) {
	g := &group{Title: "JPEG without H.264 readers", Text: "`maixstream serve --source testcard --size 1280x720` with one viewer of `/stream`, " +
		"alternating `--h264 auto`, whose encoder is idle, and `--h264 off`: CPU time of the whole process per delivered frame."}
	if err := openh264.Available(); errors.Is(err, openh264.ErrMissing) {
		g.Skipped = err.Error()
		return g, nil
	}
	names := [2]string{"auto", "off"}
	for run := range s.runs {
		var spent, frames [2]float64
		for turn := range 4 { // auto, off, off, auto, or the other way round: neither is favoured by its place or by a machine that gets slower
			i := (run + turn/2 + turn) % 2
			v, err := s.serve("--source", "testcard", "--size", "1280x720", "--h264", names[i])
			if err != nil {
				return nil, err
			}
			took, seen, err := s.watched(v, 1)
			v.end()
			if err != nil {
				return nil, err
			}
			spent[i] += float64(took) / 1e3
			frames[i] += float64(max(seen.Frames, 1))
		}
		auto, off := spent[0]/frames[0], spent[1]/frames[1]
		g.add("--h264 auto", "µs", auto)
		g.add("--h264 off", "µs", off)
		g.add("--h264 auto / --h264 off", "", auto/off).atMost(1.05)
	}
	return g, nil
}
