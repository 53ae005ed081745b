package reply

import (
	"net/http"
	"time"
)

// Events is a stream of server-sent events.
type Events struct {
	// Next returns the JSON of the next event, or nil when there is nothing new. An error ends the stream without
	// being reported to the client.
	Next func() ([]byte, error)
	// Done ends all streams when it is closed.
	Done <-chan struct{}
	// StallTimeout ends a stream whose client reads nothing for this long.
	StallTimeout time.Duration
}

const (
	eventsEvery = time.Second
	// Proxies close idle connections.
	keepAliveEvery = 15 * time.Second
)

// Serve calls Next immediately and then every second, until the client leaves, Next fails or Done is closed.
func (e *Events) Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would buffer the stream
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the server's is for reading the request, which is done
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	text := []byte("retry: 1000\n\n") // milliseconds until a browser reconnects after a lost connection
	last := time.Now()
	for {
		event, err := e.Next()
		if err != nil {
			return
		}
		switch {
		case event != nil:
			text = append(append(append(text, "data: "...), event...), "\n\n"...)
		case time.Since(last) >= keepAliveEvery:
			text = append(text, ": still here\n\n"...)
		}
		if len(text) > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(e.StallTimeout))
			if _, err := w.Write(text); err != nil || control.Flush() != nil {
				return
			}
			text, last = text[:0], time.Now()
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-e.Done:
			return
		}
	}
}
