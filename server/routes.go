package server

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/page"
)

// Route is a path of a Server that has something else to serve than one feed: Config.Routes.
type Route struct {
	Path    string // as http.ServeMux has it, without a method
	Methods string // "GET, HEAD"
	Handler http.HandlerFunc
}

// Attach readies a Server whose Stream another Server's routes hand requests to: it opens no address. Close ends it.
func (s *Server) Attach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.fanout != nil || s.config.Feed == nil {
		return errors.New("server: attach: was started already, or has no feed")
	}
	return s.startFanout()
}

func (s *Server) startFanout() error {
	s.began = time.Now()
	if s.config.Feed == nil {
		return nil
	}
	f, err := fanout.New(fanout.Config{Ring: s.config.Feed.Ring(), StallTimeout: s.config.StallTimeout})
	if err != nil {
		return fmt.Errorf("server: start: %w", err)
	}
	s.fanout = f
	return nil
}

// Stream sends the feed to whom r comes from, as /stream does, until they are gone; it returns at once when the connection was handed over. Who
// may, and with which method, the caller has decided.
func (s *Server) Stream(w http.ResponseWriter, r *http.Request) { s.stream(w, r) }

// fail replies with an error: as text, or as Config.Refuse has it.
func (s *Server) fail(w http.ResponseWriter, code int, text string) {
	if s.config.Refuse != nil {
		s.config.Refuse(w, code, text)
		return
	}
	http.Error(w, text, code)
}

// ShowPage replies with a page: with session when r was let in by one, which that page's form can end; else with plain.
func (s *Server) ShowPage(w http.ResponseWriter, r *http.Request, plain, session page.Document) {
	if s.inSession(r) {
		plain = session
	}
	show(w, http.StatusOK, plain)
}
