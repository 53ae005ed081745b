package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// guard serves h at prefix to those with access.
func (s *Server) guard(prefix string, h http.Handler) http.Handler {
	stripped := http.StripPrefix(strings.TrimSuffix(prefix, "/"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viewer, ok := h.(Viewer)
		if why, _ := r.Context().Value(controlKey{}).(error); why != nil && changes(r) && !(ok && viewer.Views(r)) {
			s.denied.Add(1)
			s.Refuse(w, http.StatusForbidden, withHint(why.Error(), s.config.Hints.Control))
			return
		}
		h.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l, has := s.live.Load(), operate
		// Browsers send OPTIONS, a cross-origin request's preflight, without credentials.
		if l.auth != nil && r.Method != http.MethodOptions {
			var v verdict
			if v, has = l.auth.judge(r, l.sender(r)); v != admitted && v != inSession {
				s.deny(w, r, r.URL.Path[len(prefix):], l.auth, v)
				return
			}
		}
		if has.device != "" {
			r = r.WithContext(context.WithValue(r.Context(), deviceKey{}, has.device))
		}
		stripped.ServeHTTP(w, withControl(r, l.mayControl(r, has)))
	})
}

// outer does what is common to all paths: headers, the Host check, and the check for changes requested by another site's page.
func (s *Server) outer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := &progressWriter{ResponseWriter: plain, control: http.NewResponseController(plain), stall: s.config.StallTimeout}
		r, done := s.outlive(r)
		defer done()
		defer s.recovered(w, r)
		l := s.live.Load()
		l.common(w, r)
		if !l.answers(r) {
			s.denied.Add(1)
			s.Refuse(w, http.StatusForbidden, withHint("this server is not known by the name "+quoted(r.Host)+", and without authentication it answers only to "+
				"addresses and its own names", s.config.Hints.Host))
			return
		}
		// With CORS "*" the operator lets every page change settings, but not with the browser's session.
		if l.cors != "*" || l.auth != nil && l.auth.sessions.of(l.auth, r) != nil {
			if err := l.origins.Check(alike(r)); err != nil {
				s.Refuse(w, http.StatusForbidden, withHint("a page of another site asked for this, and its origin is not allowed; "+
					"or a proxy does not pass on the Host header unchanged", s.config.Hints.Origin))
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// alike returns r with the Origin's host for its Host if they only differ in case or in the scheme's default port, which proxies add
// (nginx: proxy_set_header Host $host:$server_port) and browsers leave out.
func alike(r *http.Request) *http.Request {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil {
		return r
	}
	port := ":80"
	if origin.Scheme == "https" {
		port = ":443"
	}
	if !strings.EqualFold(strings.TrimSuffix(r.Host, port), strings.TrimSuffix(origin.Host, port)) {
		return r
	}
	same := *r
	same.Host = origin.Host
	return &same
}

// outlive gives an HTTP/1 request a context that ends with its handler or the server, but not when the client closes its sending half: net/http
// takes that for a disconnect, but nc -N, socat and some proxies do so and wait for the reply. A real disconnect shows when writing. HTTP/2
// distinguishes the two.
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
func (l *live) common(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "maixstream")
	// Pages that can change things must not be embedded in other sites' pages, which could trick somebody into clicking there. Handlers of harmless
	// ones remove the header (Embeddable).
	h.Set("Content-Security-Policy", l.ancestors)
	if l.cors == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", l.cors)
	if l.cors != "*" {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "ETag, Link, Location, X-Timestamp, X-Sequence, X-Time") // WHEP players need the first three
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, X-Device, X-Sequence, X-Timestamp")
		h.Set("Access-Control-Max-Age", "600")
	}
}

// Embeddable lets every page embed the reply: for pictures, and pages that cannot change anything. It must be called before the headers are
// written.
func Embeddable(w http.ResponseWriter) { w.Header().Del("Content-Security-Policy") }

func withHint(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + "; " + hint
}
