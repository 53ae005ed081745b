package upload

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

const (
	eventsEvery = time.Second
	eventsAlive = 15 * time.Second // proxies close what is silent for long
)

// news is one event: what has changed since the one before.
type news struct {
	Now     float64  `json:"now"` // the server's clock
	Devices []Device `json:"devices"`
	Gone    []string `json:"gone,omitempty"`
}

// events tells the gallery what is new, as server-sent events, once a second at most. The first event has everything.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.crowded(w) {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would collect them
	if r.Method == http.MethodHead {
		return
	}
	s.viewers.Add(1)
	defer s.viewers.Add(-1)
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{})
	ticker := time.NewTicker(eventsEvery)
	defer ticker.Stop()
	var (
		version uint64
		told    map[string]bool
		last    time.Time
	)
	for {
		text := ": still here\n\n"
		changed, names, now := s.store.since(version)
		if told == nil || now != version {
			n := news{Now: unixSeconds(time.Now()), Devices: changed}
			for name := range told {
				if !names[name] {
					n.Gone = append(n.Gone, name)
				}
			}
			slices.Sort(n.Gone)
			version, told = now, names
			data, err := json.Marshal(n)
			if err != nil {
				return
			}
			text, last = "data: "+string(data)+"\n\n", time.Now()
		} else if time.Since(last) < eventsAlive {
			text = ""
		} else {
			last = time.Now()
		}
		if text != "" {
			_ = connection.SetWriteDeadline(time.Now().Add(s.config.HTTP.StallTimeout))
			if _, err := w.Write([]byte(text)); err != nil || connection.Flush() != nil {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
	}
}
