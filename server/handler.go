package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler makes the server's routes.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	route := func(path, methods string, h http.HandlerFunc) {
		if s.config.Feed != nil || methods == "" { // without a feed there is nothing of it to show
			mux.Handle(path, s.guard(methods, h))
		}
	}
	for _, r := range s.config.Routes {
		mux.Handle(r.Path, s.guard(r.Methods, r.Handler))
	}
	route("/{$}", "GET, HEAD", s.root)
	route("/stream", "GET, HEAD", s.stream)
	route("/stream.mjpeg", "GET, HEAD", s.stream)
	route("/snapshot", "GET, HEAD", s.snapshot)
	route("/snapshot.jpg", "GET, HEAD", s.snapshot)
	route("/state", "GET, HEAD", s.state)
	route("/api/settings", "GET, HEAD, PATCH", s.settings)
	route("/metrics", "GET, HEAD", promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{MaxRequestsInFlight: 4}).ServeHTTP)
	route("/", "", nil)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		s.common(w, r)
		if s.answered(w, r, "GET, HEAD") {
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// guard does what is the same for all paths: headers, preflights, who may in, methods. methods "": the path is unknown.
func (s *Server) guard(methods string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.StallTimeout))
		s.common(w, r)
		if r.Method == http.MethodOptions && methods != "" {
			s.answered(w, r, methods) // before the question of who asks: browsers send preflights without credentials
			return
		}
		if s.auth != nil && !s.auth.allows(r) {
			s.counts.denied.Add(1)
			if len(s.auth.hashes) > 0 {
				w.Header().Set("WWW-Authenticate", `Basic realm="maixstream", charset="UTF-8"`)
			} else {
				w.Header().Set("WWW-Authenticate", `Bearer realm="maixstream"`)
			}
			s.refuse(w, http.StatusUnauthorized, "a user and password, or a token, are needed")
			return
		}
		if methods == "" {
			s.refuse(w, http.StatusNotFound, "there is nothing here; see /")
			return
		}
		if !s.answered(w, r, methods) {
			h(w, r)
		}
	})
}

// common sets the headers of every reply.
func (s *Server) common(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "maixstream")
	if s.config.CORS == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", s.config.CORS)
	if s.config.CORS != "*" {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "X-Timestamp, X-Sequence")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
	}
}

// answered replies to OPTIONS and to methods that a path does not have.
func (s *Server) answered(w http.ResponseWriter, r *http.Request, methods string) bool {
	for m := range strings.SplitSeq(methods, ", ") {
		if r.Method == m {
			return false
		}
	}
	w.Header().Set("Allow", methods+", OPTIONS")
	if r.Method == http.MethodOptions {
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			w.Header().Set("Access-Control-Allow-Methods", methods)
		}
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	s.refuse(w, http.StatusMethodNotAllowed, r.Method+" is not possible here, only "+methods)
	return true
}

// root is the page, or what mjpg-streamer's users have configured: /?action=stream and /?action=snapshot.
func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	switch action := r.URL.Query().Get("action"); action {
	case "":
	case "stream":
		s.stream(w, r)
		return
	case "snapshot":
		s.snapshot(w, r)
		return
	default:
		http.Error(w, fmt.Sprintf("unknown action %.40q: stream or snapshot", action), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(*s.html.Load())
}
