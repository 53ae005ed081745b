package stream

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/reply"
)

// stateMaxAge is how long an event stays current; it is less than the second between two events of a follower.
const stateMaxAge = time.Second / 2

// news is the state as JSON, encoded once for all followers.
type news struct {
	mu    sync.Mutex
	made  time.Time
	event []byte
}

// events sends the state once per second as server-sent events, until the client leaves or the server closes.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	ctx, end := context.WithCancel(r.Context())
	defer end()
	leave, ok := h.config.Shell.Follow(w, r, end)
	if !ok {
		return
	}
	defer leave()
	(&reply.Events{Next: h.event, Done: h.done, StallTimeout: h.config.StallTimeout}).Serve(w, r.WithContext(ctx))
}

// event returns the state as JSON, at most stateMaxAge old.
func (h *Handler) event() ([]byte, error) {
	n := &h.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.made) < stateMaxAge {
		return n.event, nil
	}
	state := h.State()
	state.Server.List = []fanout.Stats{} // unbounded; clients that need it use /state
	text, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	n.made, n.event = time.Now(), text
	return n.event, nil
}
