package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/server/internal/fanout"
)

const (
	eventEvery = time.Second
	// maxFollowers bounds how many follow the state at once.
	maxFollowers = 256
)

// news is the state as those who follow it are told, made once for all of them.
type news struct {
	followers atomic.Int64

	mu    sync.Mutex
	made  time.Time
	event []byte
}

// events tells the state once a second as server-sent events, until the client leaves or the server ends.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	defer s.news.followers.Add(-1)
	if s.news.followers.Add(1) > maxFollowers {
		h.Set("Retry-After", "5")
		http.Error(w, strconv.Itoa(maxFollowers)+" follow the state already, which is all that is allowed", http.StatusServiceUnavailable)
		return
	}
	session := s.inSession(r)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the server's is for requests; this one has been read
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	_, _ = io.WriteString(w, "retry: 1000\n\n") // milliseconds until a browser comes again when the connection breaks
	for {
		event, err := s.event()
		if err != nil {
			return
		}
		_ = control.SetWriteDeadline(time.Now().Add(s.config.StallTimeout))
		if _, err := w.Write(event); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
			if session && !s.inSession(r) { // logged out in another tab
				return
			}
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
	}
}

// event returns the state as an event of at most half a period ago.
func (s *Server) event() ([]byte, error) {
	n := &s.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.made) < eventEvery/2 {
		return n.event, nil
	}
	state := s.State()
	state.Server.List = []fanout.Stats{} // of any length; who needs it asks /state
	text, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	n.made, n.event = time.Now(), append(append([]byte("data: "), text...), "\n\n"...)
	return n.event, nil
}
