package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/fanout"
)

// snapshotWait is how long a snapshot may take: an encoder that rests makes one picture a second.
const snapshotWait = 5 * time.Second

// copies are buffers for snapshots: a picture is copied out of its slot, so that a slow client of /snapshot holds none.
var copies = sync.Pool{New: func() any { return new([]byte) }}

// snapshot replies with one picture, captured after the request came in, or at most ?max_age= before.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	asked := time.Now()
	if age := r.URL.Query().Get("max_age"); age != "" {
		d, err := time.ParseDuration(age)
		if err != nil || d < 0 {
			http.Error(w, fmt.Sprintf("max_age=%.40q: want a time like 500ms or 2s", age), http.StatusBadRequest)
			return
		}
		asked = asked.Add(-d)
	}
	ctx, cancel := context.WithTimeout(r.Context(), snapshotWait)
	defer cancel()
	leave := s.config.Feed.Watch()
	defer leave()
	var f ring.Frame
	if err := s.config.Feed.Snapshot(ctx, asked, &f); err != nil {
		if r.Context().Err() != nil {
			return // nobody waits any more
		}
		w.Header().Set("Retry-After", "1")
		text := "no picture came in time"
		if errors.Is(err, pipeline.ErrNoSignal) {
			text = err.Error()
		}
		http.Error(w, text, http.StatusServiceUnavailable)
		return
	}
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	*b = append((*b)[:0], f.JPEG()...)
	var stamp [32]byte
	timestamp := string(fanout.AppendTimestamp(stamp[:0], f.Meta()))
	sequence := f.Meta().Sequence
	f.Release()

	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(*b)))
	h.Set("Content-Disposition", "inline; filename=snapshot.jpg")
	h.Set("X-Timestamp", timestamp)
	h.Set("X-Sequence", strconv.FormatUint(sequence, 10))
	// Waiting for the picture was not the client's fault.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.StallTimeout))
	s.counts.snapshots.Add(1)
	_, _ = w.Write(*b)
}
