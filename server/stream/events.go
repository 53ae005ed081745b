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

// newsFor is how long an event is new, less than the second between two of one follower.
const newsFor = time.Second / 2

// news is the state as those who follow it are told, made once for all of them.
type news struct {
	mu    sync.Mutex
	made  time.Time
	event []byte
}

// events tells the state once a second as server-sent events, until the client leaves or the server ends.
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
