//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/maixstream/maixstream/internal/bench/load"
)

// whep compares delivery of H.264 by WebRTC.
func (s *set) whep() (*group, error) {
	const viewers = 16
	g := &group{Title: "H.264 over WebRTC, compared with MediaMTX and go2rtc", Text: fmt.Sprintf("%d WHEP viewers over UDP, with the same stream as in "+
		"the section on RTSP. Like browsers, they request lost packets and report arrivals. maixstream has the stream as an H.264 source; the others pull "+
		"it from another server with RTSP over TCP, and their figures include receiving it. maixstream's includes pacing and bandwidth estimation per "+
		"viewer. CPU time is that of the whole process per delivered frame. All three alternate.", viewers)}
	file, _, remove, err := s.filmFor(g)
	if err != nil {
		return nil, err
	}
	defer remove()
	if g.Skipped != "" {
		return g, nil
	}
	origin, err := newFilmServer(file)
	if err != nil {
		return nil, err
	}
	defer origin.end()
	servers := []struct {
		name  string
		start func() (*filmServer, error)
	}{
		{"maixstream", func() (*filmServer, error) { return newWHEPServer(file) }},
		{"MediaMTX", func() (*filmServer, error) { return s.newMediaMTXByWebRTC(filepath.Dir(file), origin.address) }},
		{"go2rtc", func() (*filmServer, error) { return s.newGo2rtcByWebRTC(filepath.Dir(file), origin.address) }},
	}
	for range s.runs {
		var micros [3]float64
		for i, server := range servers {
			r, err := s.filmRun(server.start, "players-whep", viewers)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", server.name, err)
			}
			micros[i] = r.micros
			g.add(server.name+", CPU per delivered frame", "µs", r.micros)
			g.add(server.name+", frames per second and viewer", "", r.rate)
			g.add(server.name+", memory", "MiB", r.resident/(1<<20))
		}
		g.add("CPU, maixstream / the better of the two", "", micros[0]/min(micros[1], micros[2]))
	}
	return g, nil
}

func newWHEPServer(file string) (*filmServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c, err := load.Start("", load.Role{Kind: "film-whep", Address: address, FPS: fps, Pictures: file})
	if err != nil {
		return nil, err
	}
	return &filmServer{address, "/whep", c.PID(), c.End}, nil
}

func (s *set) newMediaMTXByWebRTC(dir, origin string) (*filmServer, error) {
	address, media, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "mediamtx-webrtc.yml")
	text := "logLevel: error\nrtmp: no\nhls: no\nrtsp: no\nsrt: no\nwebrtcAddress: " + address + "\nwebrtcLocalUDPAddress: " + media +
		"\npaths:\n  film:\n    source: rtsp://" + origin + "/h264\n    rtspTransport: tcp\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	server, err := startPeer(address, exec.Command(filepath.Join(s.peersDir, "mediamtx"), config))
	if err != nil {
		return nil, err
	}
	server.path = "/film/whep"
	return server, nil
}

func (s *set) newGo2rtcByWebRTC(dir, origin string) (*filmServer, error) {
	address, media, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "go2rtc-webrtc.yaml")
	text := "log: {level: error}\nrtsp: {listen: \"\"}\nsrtp: {listen: \"\"}\napi: {listen: \"" + address + "\"}\nwebrtc: {listen: \"" + media +
		"\", candidates: [\"" + media + "\"], ice_servers: [], filters: {loopback: true}}\nstreams:\n  film: rtsp://" + origin + "/h264\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	server, err := startPeer(address, exec.Command(filepath.Join(s.peersDir, "go2rtc"), "-config", config))
	if err != nil {
		return nil, err
	}
	server.path = "/api/webrtc?src=film"
	return server, nil
}

func twoAddresses() (one, other string, err error) {
	if one, err = freeAddress(); err != nil {
		return "", "", err
	}
	other, err = freeAddress()
	return one, other, err
}
