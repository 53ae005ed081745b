package stream

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maixstream/maixstream/pipeline/publish"
	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/reply"
	"github.com/maixstream/maixstream/server/rtsp"
)

// State is the JSON of /state: the feed's state and the server's own.
type State struct {
	Pipeline
	// Kept reports whether settings are kept across restarts; nil: not supported.
	Kept          *bool           `json:"settings_kept,omitempty"`
	Name          string          `json:"name,omitempty"`
	Version       string          `json:"version"`
	UptimeSeconds float64         `json:"uptime_seconds"`
	Server        Traffic         `json:"server"`
	Push          []push.State    `json:"push,omitempty"` // one per target
	Publish       []publish.State `json:"publish,omitempty"`
	RTSP          []rtsp.State    `json:"rtsp,omitempty"`   // one per server
	WebRTC        bool            `json:"webrtc,omitempty"` // H.264 is available by POST /whep
	// Recording is the server's own recording; nil: not configured.
	Recording *record.SwitchState `json:"recording,omitempty"`
}

// Traffic is what the server sends, and its viewers.
type Traffic struct {
	Viewers     int            `json:"viewers"`          // current viewers of /stream
	MaxClients  int            `json:"max_clients"`      // 0: no limit
	FPS         float64        `json:"fps"`              // frames per second, summed over all viewers
	BytesPerSec float64        `json:"bytes_per_second"` // summed over all viewers
	Total       Totals         `json:"total"`
	List        []fanout.Stats `json:"list"` // oldest first
}

// Totals are counts since the start.
type Totals struct {
	Viewers   uint64 `json:"viewers"` // ever connected
	Frames    uint64 `json:"frames"`  // sent
	Skipped   uint64 `json:"skipped"` // published but not sent: because of a slow link or ?fps=
	Bytes     uint64 `json:"bytes"`
	Refused   uint64 `json:"refused"` // over max_clients
	Stalled   uint64 `json:"stalled"` // closed by the stall timeout
	Denied    uint64 `json:"denied"`  // requests without the right password or token
	Panics    uint64 `json:"panics"`  // of HTTP handlers
	Snapshots uint64 `json:"snapshots"`
}

// State is safe for concurrent use.
func (h *Handler) State() State {
	feed := h.config.Feed.State()
	state := State{
		Pipeline: shapeOf(&feed), Name: h.config.Name, Version: h.config.Version,
		UptimeSeconds: time.Since(h.began).Seconds(), Server: h.traffic(), WebRTC: h.config.WebRTC != nil, Kept: h.kept(),
	}
	if h.config.Recording != nil {
		now := h.config.Recording.State()
		state.Recording = &now
	}
	if h.config.Pushes != nil {
		state.Push = h.config.Pushes()
	}
	if h.config.Publications != nil {
		state.Publish = h.config.Publications()
	}
	if h.config.RTSP != nil {
		state.RTSP = h.config.RTSP()
	}
	return state
}

func (h *Handler) traffic() Traffic {
	c, shell := &h.counts, h.config.Shell.Stats()
	t := Traffic{MaxClients: shell.MaxViewers, List: []fanout.Stats{}, Total: Totals{
		Viewers: c.viewers.Load(), Frames: c.gone.frames.Load(), Skipped: c.gone.skipped.Load(), Bytes: c.gone.bytes.Load(),
		Refused: c.refused.Load(), Stalled: c.stalled.Load(), Denied: shell.Denied, Panics: shell.Panics, Snapshots: c.snapshots.Load(),
	}}
	h.mu.Lock()
	for v := range h.viewers {
		t.List = append(t.List, v.Stats())
	}
	h.mu.Unlock()
	if h.config.WebRTC != nil {
		t.List = append(t.List, h.config.WebRTC.Stats()...)
	}
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

func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		h.events(w, r)
		return
	}
	reply.IndentedJSON(w, http.StatusOK, h.State())
}
