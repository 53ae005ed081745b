package stream

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/maixstream/maixstream/server/web"
)

// Addresses configured for other streamers (mjpg-streamer, µStreamer, motion, IP cameras, ESP32-CAM), which need not be changed.
var (
	streamAliases = []string{
		"/stream/{$}", "/stream.mjpg", "/video", "/video/{$}", "/video.mjpg", "/video.mjpeg", "/mjpeg", "/mjpg", "/mjpg/video.mjpg", "/cam.mjpg", "/cam.mjpeg", "/live.mjpg",
	}
	snapshotAliases = []string{
		"/snapshot/{$}", "/snapshot.jpeg", "/image", "/image.jpg", "/image.jpeg", "/jpg", "/jpg/image.jpg", "/jpeg", "/cam.jpg", "/shot.jpg", "/photo.jpg", "/capture",
	}
	actionAliases = []string{"/webcam", "/webcam/{$}", "/webcam2/{$}"}
)

// aliases returns the routes for those addresses.
func (h *Handler) aliases(methods string) (routes []web.Route) {
	add := func(paths []string, handler http.HandlerFunc) {
		for _, path := range paths {
			routes = append(routes, web.Route{Path: path, Methods: methods, Handler: handler, Alias: true})
		}
	}
	add(streamAliases, h.stream)
	add(snapshotAliases, h.snapshot)
	add(actionAliases, h.webcam)
	return routes
}

// action is the mjpg-streamer action in ?action=. That program compares only the beginning, so addresses in use have arbitrary suffixes:
// /?action=stream?dummy=param.mjpg, stream_0, snapshot_0&n=1, stream;t=1. "": none.
func action(r *http.Request) string {
	for field := range strings.FieldsFuncSeq(r.URL.RawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		value, ok := strings.CutPrefix(field, "action=")
		if !ok {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		for _, known := range []string{"stream", "snapshot"} {
			if strings.HasPrefix(value, known) {
				return known
			}
		}
		return value
	}
	return ""
}

// root serves the page, or the addresses of mjpg-streamer: /?action=stream and /?action=snapshot.
func (h *Handler) root(w http.ResponseWriter, r *http.Request) {
	if action(r) == "" {
		h.page(w, r)
		return
	}
	h.act(w, r)
}

// webcam serves the address at which OctoPrint's images have mjpg-streamer behind a proxy: /webcam/?action=stream.
func (h *Handler) webcam(w http.ResponseWriter, r *http.Request) {
	if action(r) == "" {
		h.refuse(w, http.StatusNotFound, "there is nothing here; the page is at /, the stream at /stream or /webcam/?action=stream")
		return
	}
	h.act(w, r)
}

func (h *Handler) act(w http.ResponseWriter, r *http.Request) {
	switch a := action(r); a {
	case "stream":
		h.stream(w, r)
	case "snapshot":
		h.snapshot(w, r)
	default:
		h.refuse(w, http.StatusBadRequest, fmt.Sprintf("unknown action %.40q: want stream or snapshot", a))
	}
}
