package stream

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/reply"
)

const (
	// newsFor is how long an event is new, less than the second between two of one follower.
	newsFor = time.Second / 2
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
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	defer h.news.followers.Add(-1)
	if h.news.followers.Add(1) > maxFollowers {
		w.Header().Set("Retry-After", "5")
		h.refuse(w, http.StatusServiceUnavailable, strconv.Itoa(maxFollowers)+" follow the state already, which is all that is allowed")
		return
	}
	session := h.config.Shell.InSession(r)
	(&reply.Events{
		Next: func() ([]byte, error) {
			if session && !h.config.Shell.InSession(r) { // logged out in another tab
				return nil, io.EOF
			}
			return h.event()
		},
		Done: h.done, StallTimeout: h.config.StallTimeout,
	}).Serve(w, r)
}

// event returns the state of at most newsFor ago as JSON.
func (h *Handler) event() ([]byte, error) {
	n := &h.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.made) < newsFor {
		return n.event, nil
	}
	state := h.State()
	state.Server.List = []fanout.Stats{} // of any length; who needs it asks /state
	text, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	n.made, n.event = time.Now(), text
	return n.event, nil
}
