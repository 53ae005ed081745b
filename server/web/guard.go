package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Time", stamp.Format(time.Now())) // on the clock of X-Timestamp, for the page's delay
	if s.config.Health != nil {
		if err := s.config.Health(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// guard serves what is mounted at prefix to those who are allowed in.
func (s *Server) guard(prefix string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Browsers send OPTIONS, the preflight of a request to another origin, without credentials.
		if a := s.live.Load().auth; a != nil && r.Method != http.MethodOptions {
			if v := a.judge(r); v != admitted && v != inSession {
				s.deny(w, r, r.URL.Path[len(prefix):], a, v)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// outer does what is the same for all paths: headers, and changes that another site's page asks for.
func (s *Server) outer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.StallTimeout))
		r, done := s.outlive(r)
		defer done()
		s.common(w, r)
		// With CORS "*" the operator lets every page change settings; but none may with the browser's session.
		if live := s.live.Load(); live.cors != "*" || sessionKey(r) != "" {
			if err := live.origins.Check(r); err != nil {
				text := "a page of another site asked for this, and its origin is not allowed; or a proxy does not pass on the Host header unchanged"
				if s.config.OriginHint != "" {
					text += "; " + s.config.OriginHint
				}
				s.Refuse(w, http.StatusForbidden, text)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// outlive gives a request of HTTP/1 a context that ends with its handler or with the server, but not when the client closes its sending half: net/http
// takes that for the client's leaving, but nc -N, socat and some proxies do so and wait for the reply. Who has left is noticed by writing. HTTP/2
// knows both apart.
func (s *Server) outlive(r *http.Request) (outliving *http.Request, done func()) {
	if r.ProtoMajor != 1 {
		return r, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(s.ending, cancel)
	return r.WithContext(ctx), func() {
		stop()
		cancel()
	}
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
