package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/maixstream/maixstream/server/internal/page"
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
	route("/api/recording", "GET, HEAD, PATCH", s.recording)
	route("/api/settings", "GET, HEAD, PATCH", s.settings)
	route("/metrics", "GET, HEAD", MetricsHandler(s.registry()))
	route("/", "", nil)
	mux.Handle("/login", s.open("GET, HEAD, POST", s.login))
	mux.Handle("/logout", s.open("GET, HEAD, POST", s.logout))
	mux.Handle("/healthz", s.open("GET, HEAD", healthz))
	for _, a := range page.Assets() {
		mux.Handle(a.Path, s.open("GET, HEAD", asset(a.Type, func(*http.Request) string { return a.Body })))
	}
	mux.Handle(page.ManifestPath, s.open("GET, HEAD", asset(page.ManifestType, func(r *http.Request) string { return page.Manifest(r.URL.Query().Get("token")) })))
	return mux
}

// asset serves what browsers ask for beside a page. They may keep it for a day.
func asset(kind string, body func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "private, max-age=86400")
		h.Del("Pragma")
		_, _ = io.WriteString(w, body(r))
	}
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Time", fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000)) // on the clock of X-Timestamp, for the page's delay
	fmt.Fprintln(w, "ok")
}

// guard serves a path to those who may. methods "": the path is unknown.
func (s *Server) guard(methods string, h http.HandlerFunc) http.Handler {
	return s.outer(methods, func(w http.ResponseWriter, r *http.Request) {
		if a := s.live.Load().auth; a != nil {
			if v := a.judge(r); v != admitted && v != inSession {
				s.refuse(w, r, a, v)
				return
			}
		}
		if methods == "" {
			s.fail(w, http.StatusNotFound, "there is nothing here; see /")
			return
		}
		if !s.answered(w, r, methods) {
			h(w, r)
		}
	})
}

// open serves a path to everybody.
func (s *Server) open(methods string, h http.HandlerFunc) http.Handler {
	return s.outer(methods, func(w http.ResponseWriter, r *http.Request) {
		if !s.answered(w, r, methods) {
			h(w, r)
		}
	})
}

// outer does what is the same for all paths: headers, preflights, and changes that another site's page asks for.
func (s *Server) outer(methods string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.StallTimeout))
		s.common(w, r)
		if r.Method == http.MethodOptions && methods != "" {
			s.answered(w, r, methods) // before the question of who asks: browsers send preflights without credentials
			return
		}
		// With CORS "*" the operator lets every page change settings; but none may with the browser's session.
		if live := s.live.Load(); live.cors != "*" || sessionKey(r) != "" {
			if err := live.origins.Check(r); err != nil {
				s.fail(w, http.StatusForbidden, "a page of another site asked for this, or a proxy between does not pass on the Host header as it came; "+
					"--cors ORIGIN lets a page in")
				return
			}
		}
		h(w, r)
	})
}

// common sets the headers of every reply.
func (s *Server) common(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "maixstream")
	origin := s.live.Load().cors
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if origin != "*" {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "X-Timestamp, X-Sequence, X-Time")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Device, X-Sequence, X-Timestamp")
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
	s.fail(w, http.StatusMethodNotAllowed, r.Method+" is not possible here, only "+methods)
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
	s.page(w, r)
}
