package stream

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/maixstream/maixstream/server/web"
)

// Addresses that people have configured for other streamers (mjpg-streamer, µStreamer, motion, IP cameras, ESP32-CAM) and need not change.
var (
	streamAliases = []string{
		"/stream/{$}", "/stream.mjpg", "/video", "/video/{$}", "/video.mjpg", "/video.mjpeg", "/mjpeg", "/mjpg", "/mjpg/video.mjpg", "/cam.mjpg", "/cam.mjpeg", "/live.mjpg",
	}
	snapshotAliases = []string{
		"/snapshot/{$}", "/snapshot.jpeg", "/image", "/image.jpg", "/image.jpeg", "/jpg", "/jpg/image.jpg", "/jpeg", "/cam.jpg", "/shot.jpg", "/photo.jpg", "/capture",
	}
	actionAliases = []string{"/webcam", "/webcam/{$}", "/webcam2/{$}"}
)

// aliases are the routes of those addresses.
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

// action is what mjpg-streamer's users ask for in ?action=. That program compares the beginning alone, so whatever stands behind it is part of
// addresses in use: /?action=stream?dummy=param.mjpg, stream_0, snapshot_0&n=1, stream;t=1. "": none.
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

// root is the page, or what mjpg-streamer's users have configured: /?action=stream and /?action=snapshot.
func (h *Handler) root(w http.ResponseWriter, r *http.Request) {
	if action(r) == "" {
		h.page(w, r)
		return
	}
	h.act(w, r)
}

// webcam is where OctoPrint's images have mjpg-streamer behind a proxy: /webcam/?action=stream.
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
		h.refuse(w, http.StatusBadRequest, fmt.Sprintf("unknown action %.40q: stream or snapshot", a))
	}
}
