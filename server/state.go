package server

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/rtsp"
)

// State is what /state shows: the pipeline's state and the server's own.
type State struct {
	pipeline.State
	Version       string       `json:"version"`
	UptimeSeconds float64      `json:"uptime_seconds"`
	Server        Traffic      `json:"server"`
	Push          []push.State `json:"push,omitempty"` // a target each
	RTSP          []rtsp.State `json:"rtsp,omitempty"` // a server each
	// Recording is the server's own recording; nil: it was not given a place for one.
	Recording *record.SwitchState `json:"recording,omitempty"`
}

// Traffic is what the server sends, and to whom.
type Traffic struct {
	Viewers     int            `json:"viewers"`          // of /stream now
	MaxClients  int            `json:"max_clients"`      // 0: no limit
	FPS         float64        `json:"fps"`              // frames a second to all viewers together
	BytesPerSec float64        `json:"bytes_per_second"` // to all viewers together
	Total       Totals         `json:"total"`
	List        []fanout.Stats `json:"list"` // a viewer each, the oldest first
}

// Totals count since the start.
type Totals struct {
	Viewers   uint64 `json:"viewers"` // that ever came
	Frames    uint64 `json:"frames"`  // sent
	Skipped   uint64 `json:"skipped"` // published and not sent: a viewer's link or its ?fps=
	Bytes     uint64 `json:"bytes"`
	Refused   uint64 `json:"refused"` // over max_clients
	Stalled   uint64 `json:"stalled"` // closed by the stall timeout
	Denied    uint64 `json:"denied"`  // requests without the right password or token
	Snapshots uint64 `json:"snapshots"`
}

// State may be called from any goroutine.
func (s *Server) State() State {
	state := State{
		State: s.config.Feed.State(), Version: s.config.Version,
		UptimeSeconds: time.Since(s.began).Seconds(), Server: s.traffic(),
	}
	if s.config.Recording != nil {
		now := s.config.Recording.State()
		state.Recording = &now
	}
	if s.config.Pushes != nil {
		state.Push = s.config.Pushes()
	}
	if s.config.RTSP != nil {
		state.RTSP = s.config.RTSP()
	}
	return state
}

func (s *Server) traffic() Traffic {
	c := &s.counts
	t := Traffic{MaxClients: s.live.Load().maxClients, List: []fanout.Stats{}, Total: Totals{
		Viewers: c.viewers.Load(), Frames: c.gone.frames.Load(), Skipped: c.gone.skipped.Load(), Bytes: c.gone.bytes.Load(),
		Refused: c.refused.Load(), Stalled: c.stalled.Load(), Denied: c.denied.Load(), Snapshots: c.snapshots.Load(),
	}}
	s.mu.Lock()
	for v := range s.viewers {
		t.List = append(t.List, v.Stats())
	}
	s.mu.Unlock()
	slices.SortFunc(t.List, func(a, b fanout.Stats) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) })
	t.Viewers = len(t.List)
	for i := range t.List {
		v := &t.List[i]
		t.FPS += v.FPS
		t.BytesPerSec += v.BytesPerSec
		t.Total.Frames += v.Frames
		t.Total.Skipped += v.Skipped
		t.Total.Bytes += v.Bytes
	}
	return t
}

func (s *Server) state(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		s.events(w, r)
		return
	}
	writeJSON(w, http.StatusOK, s.State())
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(value) // the client is gone when it fails
}
