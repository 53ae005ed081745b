// Package links writes the addresses of a running server as other programs want them.
package links

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Server is what is known of a server.
type Server struct {
	// Base is the address of its page, such as http://maixcam.local:8000/; credentials, query and fragment are left out of all links.
	Base *url.URL
	// RTSP is its addresses for RTSP and RTSPS, host:port or :port; "": none.
	RTSP, RTSPS string
	// Name is what it is called; "": maixstream.
	Name string
}

// Link is one line to copy.
type Link struct {
	Name string `json:"name"` // what it is, or for which program
	Text string `json:"text"` // an address, a command, or lines of a configuration
}

// Addresses returns the plain addresses of a server, the page's first.
func Addresses(s Server) []Link {
	at := s.page()
	list := []Link{{"Page", at}, {"Picture alone", at + "?bare"}, {"Stream", at + "stream"}, {"Snapshot", at + "snapshot"}}
	for _, m := range []struct{ scheme, address string }{{"rtsp", s.RTSP}, {"rtsps", s.RTSPS}} {
		if port := m.address[strings.LastIndexByte(m.address, ':')+1:]; port != "" {
			list = append(list, Link{strings.ToUpper(m.scheme), m.scheme + "://" + net.JoinHostPort(s.Base.Hostname(), port) + "/jpeg"})
		}
	}
	return list
}

// page is the address of the page, which the others stand below.
func (s *Server) page() string {
	base := *s.Base
	base.User, base.RawQuery, base.Fragment, base.RawFragment, base.RawPath = nil, "", "", "", ""
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	return base.String()
}

// Of returns a server's addresses, and what other programs want of them.
func Of(s Server) []Link {
	at := s.page()
	stream, snapshot := at+"stream", at+"snapshot"
	name := s.Name
	if name == "" {
		name = "maixstream"
	}
	list := Addresses(s)
	media := ""
	if len(list) > 4 {
		media = list[4].Text
	}
	list = append(list,
		Link{"OctoPrint", "Stream URL: " + stream + "\nSnapshot URL: " + snapshot},
		Link{"Mainsail", "Service: MJPEG-Streamer\nURL Stream: " + stream + "\nURL Snapshot: " + snapshot},
		Link{"Home Assistant", "Integration: MJPEG IP Camera\nMJPEG URL: " + stream + "\nStill image URL: " + snapshot},
		Link{"go2rtc", "streams:\n  " + key(name) + ": " + stream},
		Link{"VLC", "vlc " + stream},
	)
	obs := "Browser source, URL: " + at + "?bare"
	if media != "" {
		obs += "\nor Media source, Input: " + media
	}
	return append(list,
		Link{"OBS", obs},
		Link{"ffmpeg", "ffmpeg -i " + stream + " -c copy out.avi"},
		Link{"OpenCV", fmt.Sprintf("cv2.VideoCapture(%q)", stream)},
	)
}

// key is a name as a key of YAML.
func key(name string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	if strings.Trim(out, "_") == "" {
		return "camera"
	}
	return out
}
