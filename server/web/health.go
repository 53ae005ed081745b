package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

// ErrStarting is wrapped by Config.Health's error while nothing is wrong, but nothing has been shown to work yet either: /healthz is then 200, with the error's
// text.
var ErrStarting = errors.New("starting")

// healthz reports whether the server works. It needs no password.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Time", stamp.Format(time.Now())) // same clock as X-Timestamp, for the page's delay
	if s.config.Health != nil {
		if err := s.config.Health(); err != nil {
			if !errors.Is(err, ErrStarting) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprintln(w, err)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}
