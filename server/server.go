// Package server shows a feed's pictures over HTTP: a page, an endless stream for any number of viewers, snapshots, state, metrics and
// settings.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/internal/fanout"
)

// Server serves one feed. Start it once; Close ends it for good.
type Server struct {
	config    Config
	live      atomic.Pointer[live]
	listeners []net.Listener
	tls       *tls.Config
	http      *http.Server
	fanout    *fanout.Fanout
	began     time.Time
	html      atomic.Pointer[[]byte] // nil: the built-in page
	done      chan struct{}          // closed when the server ends
	news      news

	clients atomic.Int64 // viewers and those about to be
	counts  counts

	mu      sync.Mutex
	viewers map[*fanout.Viewer]struct{}
	closed  bool
	serving sync.WaitGroup
}

// counts are totals since the start.
type counts struct {
	viewers, refused, stalled, snapshots, denied atomic.Uint64
	gone                                         struct{ frames, skipped, bytes atomic.Uint64 } // of viewers that have left
}

// New checks c and reads the files that it names. It opens nothing else yet.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{config: c, viewers: map[*fanout.Viewer]struct{}{}, done: make(chan struct{})}
	l, err := readLive(&c, nil)
	if err != nil {
		return nil, err
	}
	s.live.Store(l)
	s.SetHTML(c.HTML)
	return s, nil
}

// SetHTML changes the page at /; nil: the built-in one. html must not be written afterwards.
func (s *Server) SetHTML(html []byte) {
	if html == nil {
		s.html.Store(nil)
		return
	}
	s.html.Store(&html)
}

// Start opens the addresses and serves until Close.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.http != nil {
		return errors.New("server: start: was started already")
	}
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.startFanout(); err != nil {
		closeAll(s.listeners)
		return err
	}
	s.http = &http.Server{
		Handler: s.handler(),
		// A slow-loris gets no further than this. No WriteTimeout: it would end streams; each reply sets its own deadline.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(s.config.Log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
		TLSConfig:         s.tls,
	}
	for _, l := range s.listeners {
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

// Close ends the server: the addresses are free again, viewers' connections are closed, running requests may end until ctx does and are cut off
// then, or after a second. It joins all goroutines and may be called twice.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if s.fanout != nil {
		s.fanout.Close()
	}
	if s.http == nil {
		return nil
	}
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // some did not end in time
	}
	s.serving.Wait()
	return nil
}

// TLS returns what other servers need to serve with the same certificate, which a Reload may exchange; nil without one.
func (s *Server) TLS() *tls.Config {
	if s.config.TLSCert == "" {
		return nil
	}
	certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.live.Load().cert, nil }
	return &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12}
}

// Allow decides for servers of other protocols as HTTP does: by a user of the AuthFile with its password, or by a token of the TokenFile;
// what is not given is "". Without files everybody may in. from is where the request came from, host:port: wrong ones are counted together
// with those that came from there over HTTP.
func (s *Server) Allow(from, user, password, token string) bool {
	a := s.live.Load().auth
	switch {
	case a == nil:
		return true
	case user != "":
		return a.password(household(addressOf(from)), user, password) == admitted
	case token != "":
		return a.token(household(addressOf(from)), token) == admitted
	}
	return false
}
