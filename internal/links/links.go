// Package links returns the addresses of a running server in the form that other programs expect.
package links

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Server describes a running server.
type Server struct {
	// Base is the page's address, such as http://maixcam.local:8000/; links omit its credentials, query and fragment.
	Base *url.URL
	// RTSP and RTSPS are addresses, host:port or :port; "" disables them.
	RTSP, RTSPS string
	// H264 reports whether H.264 is available alongside JPEG.
	H264 bool
	// Name is the stream's name; "" means maixstream.
	Name string
}

// Link is one line to copy.
type Link struct {
	Name string `json:"name"` // description, or the program it is for
	Text string `json:"text"` // an address, a command, or lines of a configuration
}

// Addresses returns a server's plain addresses, the page first.
func Addresses(s Server) []Link {
	at := s.page()
	list := []Link{{"Page", at}, {"Picture alone", at + "?bare"}, {"Stream", at + "stream"}, {"Snapshot", at + "snapshot"}}
	if s.H264 {
		list = append(list, Link{"H.264 (MP4)", at + "video.mp4"})
	}
	for _, m := range []struct{ scheme, address string }{{"rtsp", s.RTSP}, {"rtsps", s.RTSPS}} {
		if port := m.address[strings.LastIndexByte(m.address, ':')+1:]; port != "" {
			host := m.scheme + "://" + net.JoinHostPort(s.Base.Hostname(), port)
			list = append(list, Link{strings.ToUpper(m.scheme), host + "/jpeg"})
			if s.H264 {
				list = append(list, Link{strings.ToUpper(m.scheme) + " (H.264)", host + "/h264"})
			}
		}
	}
	return list
}

// page returns the address of the page, the base of all others.
func (s *Server) page() string {
	base := *s.Base
	base.User, base.RawQuery, base.Fragment, base.RawFragment, base.RawPath = nil, "", "", "", ""
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	return base.String()
}

// Of returns a server's addresses and settings for other programs.
func Of(s Server) []Link {
	at := s.page()
	stream, snapshot := at+"stream", at+"snapshot"
	name := s.Name
	if name == "" {
		name = "maixstream"
	}
	list := Addresses(s)
	media, h264 := "", "" // over RTSP, unencrypted if both are available
	for _, l := range list {
		switch {
		case media == "" && strings.HasPrefix(l.Text, "rtsp") && strings.HasSuffix(l.Text, "/jpeg"):
			media = l.Text
		case h264 == "" && strings.HasPrefix(l.Text, "rtsp") && strings.HasSuffix(l.Text, "/h264"):
			h264 = l.Text
		}
	}
	list = append(list,
		Link{"OctoPrint", "Stream URL: " + stream + "\nSnapshot URL: " + snapshot},
		Link{"Mainsail", "Service: MJPEG-Streamer\nURL Stream: " + stream + "\nURL Snapshot: " + snapshot},
		Link{"Home Assistant", "Integration: MJPEG IP Camera\nMJPEG URL: " + stream + "\nStill image URL: " + snapshot},
		Link{"go2rtc", "streams:\n  " + key(name) + ": " + stream},
		Link{"VLC", "vlc " + stream},
	)
	if h264 != "" {
		media = h264
		list = append(list,
			Link{"Generic Camera", "Integration of Home Assistant\nStill image URL: " + snapshot + "\nStream source URL: " + h264},
			Link{"Frigate", "inputs:\n  - path: " + h264 + "\n    input_args: preset-rtsp-generic"},
			Link{"MediaMTX", "paths:\n  " + key(name) + ":\n    source: " + h264},
		)
	}
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

// key turns a name into a YAML key.
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
