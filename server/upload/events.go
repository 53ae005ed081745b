package upload

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/maixstream/maixstream/server/internal/reply"
)

// news is one event: what has changed since the previous one.
type news struct {
	Now     float64  `json:"now"` // the server's clock
	Devices []Device `json:"devices"`
	Gone    []string `json:"gone,omitempty"`
}

// events sends changes to the gallery as server-sent events, at most once per second. The first event has everything.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ctx, end := context.WithCancel(r.Context())
	defer end()
	leave, ok := s.web.Admit(w, r, end)
	if !ok {
		return
	}
	defer leave()
	var (
		version uint64
		sent    map[string]bool
	)
	(&reply.Events{
		Next: func() ([]byte, error) {
			changed, names, now := s.store.since(version)
			if sent != nil && now == version {
				return nil, nil
			}
			n := news{Now: unixSeconds(time.Now()), Devices: changed}
			for name := range sent {
				if !names[name] {
					n.Gone = append(n.Gone, name)
				}
			}
			slices.Sort(n.Gone)
			version, sent = now, names
			return json.Marshal(n)
		},
		Done: s.done, StallTimeout: s.config.HTTP.StallTimeout,
	}).Serve(w, r.WithContext(ctx))
}
