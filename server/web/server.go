// Package web is the HTTP shell around a program's handlers: addresses, TLS, systemd's sockets, Unix sockets, access control, sessions,
// origins, limits, common headers, and refusals. It serves the mounted handlers, and knows nothing of their content.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/accept"
	"github.com/maixstream/maixstream/internal/secretfile"
)

// Server is an HTTP server. Mount handlers in it, then Start it once; Close ends it for good.
type Server struct {
	config    Config
	live      atomic.Pointer[live]
	listeners []net.Listener
	tls       *tls.Config
	http      *http.Server
	mux       *http.ServeMux
	root      bool   // something is mounted at /
	cookie    string // its name

	places, followers       places
	refused, denied, panics atomic.Uint64

	ending context.Context // the requests' context: ended when the server no longer waits for them
	end    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	serving sync.WaitGroup
}

// New validates c and reads the files it names. It opens nothing else yet.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{config: c, mux: http.NewServeMux()}
	s.ending, s.end = context.WithCancel(context.Background())
	l, err := readLive(&c, nil)
	if err != nil {
		return nil, err
	}
	s.live.Store(l)
	return s, nil
}

// Mount serves h below prefix, which begins and ends with a slash; h sees paths without it. Only requests with access reach h,
// except OPTIONS, which browsers send without credentials: h must answer those without changing or revealing anything, as Router does. Below
// prefix are also the shell's /login, /logout, /healthz and icons, which are open to all. Mount must not be called after Start; it
// panics if prefix is taken.
func (s *Server) Mount(prefix string, h http.Handler) {
	s.root = s.root || prefix == "/"
	outside := strings.TrimSuffix(prefix, "/")
	s.mux.Handle(prefix, s.guard(prefix, h))
	routes := append(assets(s.config.Name),
		Route{Path: "/login", Methods: "GET, HEAD, POST", Handler: s.login},
		Route{Path: "/logout", Methods: "GET, HEAD, POST", Handler: s.logout},
		Route{Path: "/healthz", Methods: "GET, HEAD", Handler: s.healthz},
	)
	own := http.StripPrefix(outside, NewRouter(s.Refuse, routes...))
	for _, r := range routes {
		s.mux.Handle(outside+r.Path, own)
	}
}

// Start opens the addresses and serves until Close.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.http != nil {
		return errors.New("start: already started")
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.nameCookie()
	s.warnOpen()
	secretfile.Warn(s.config.Log, s.config.AuthFile, s.config.TokenFile, s.config.TLSKey)
	if !s.root {
		s.mux.Handle("/", s.guard("/", NewRouter(s.Refuse)))
	}
	s.http = &http.Server{
		Handler: s.outer(s.mux),
		// Stops slow-loris attacks. No WriteTimeout: it would end streams; each reply sets its own deadline.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newErrorLog(s.config.Log),
		TLSConfig:         s.tls,
		ConnContext:       withConn,
	}
	for _, l := range s.listeners {
		l = accept.Patient(l, s.config.Log)
		if s.tls != nil && l.Addr().Network() != "unix" {
			l = tls.NewListener(l, s.tls)
		}
		s.serving.Go(func() {
			if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.config.Log.Error("server stopped listening", zap.Stringer("address", l.Addr()), zap.Error(err))
			}
		})
	}
	return nil
}

// Close ends the server: the addresses are freed, running requests may finish until ctx ends and are then cut off, or after a second.
// Hijacked connections are the handlers' to close. It joins all goroutines and may be called twice.
func (s *Server) Close(ctx context.Context) error {
	if ctx == nil {
		return errors.New("close: no context")
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	defer s.end()
	if s.http.Shutdown(ctx) != nil {
		s.end()
		_ = s.http.Close() // some did not finish in time
	}
	s.serving.Wait()
	return nil
}

type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// Conn returns the connection of a request: with TLS it may carry others, too (HTTP/2). It may be inspected, but neither written nor
// closed. nil: the request came through another server.
func Conn(r *http.Request) net.Conn {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	return conn
}

// TLS returns a configuration for other servers to use the same certificate, which a Reload may replace; nil without one.
func (s *Server) TLS() *tls.Config {
	if s.config.TLSCert == "" {
		return nil
	}
	certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.live.Load().cert, nil }
	return &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12}
}

// Allow checks access for servers of other protocols as HTTP does: by a user of the AuthFile with its password, or by a token of the TokenFile;
// "" if not given. Without files everybody has access. from is the request's source, host:port: failures are counted together
// with those over HTTP.
func (s *Server) Allow(from, user, password, token string) bool {
	a := s.live.Load().auth
	if a == nil {
		return true
	}
	sender, v := senderOf(addressOf(from)), unknown
	if token != "" {
		v, _ = a.token(sender, token)
	}
	if v == unknown && user != "" {
		v, _ = a.password(sender, user, password)
	}
	return v == admitted
}

// warnOpen warns once if everybody who can reach this server has access.
func (s *Server) warnOpen() {
	if s.live.Load().auth != nil {
		return
	}
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			s.config.Log.Warn("no authentication: whoever can reach this address may view, and change what can be changed", zap.Stringer("address", a))
			return
		}
	}
}

// Refuse replies with an error: as text, or through Config.Refuse.
func (s *Server) Refuse(w http.ResponseWriter, code int, text string) {
	if s.config.Refuse != nil {
		s.config.Refuse(w, code, text)
		return
	}
	refuseText(w, code, text)
}
