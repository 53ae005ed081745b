package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/internal/stamp"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/web"
)

// snapshotWait is how long a snapshot may take beyond two frame times: an encoder that rests makes one picture a second.
const snapshotWait = 5 * time.Second

// patience is how long a snapshot may take at the rate that is asked for.
func (h *Handler) patience() time.Duration {
	s := h.config.Feed.State()
	period := pace.Period(s.Settings.FPS)
	if s.Settings.FPS == 0 { // a feed that has no rate
		period = 0
	}
	return snapshotWait + 2*period
}

// copies are buffers for snapshots: a picture is copied out of its slot, so that a slow client of /snapshot holds none.
var copies = sync.Pool{New: func() any { return new([]byte) }}

// snapshot replies with one picture, captured after the request came in, or at most ?max_age= before. With ?full=1 it has the sensor's own
// size, where the source can take such beside the stream.
func (h *Handler) snapshot(w http.ResponseWriter, r *http.Request) {
	asked := time.Now()
	if age := r.URL.Query().Get("max_age"); age != "" {
		d, err := time.ParseDuration(age)
		if err != nil || d < 0 {
			h.refuse(w, http.StatusBadRequest, fmt.Sprintf("max_age=%.40q: want a time like 500ms or 2s", age))
			return
		}
		asked = asked.Add(-d)
	}
	full := false
	if text := r.URL.Query().Get("full"); text != "" {
		var err error
		if full, err = strconv.ParseBool(text); err != nil {
			h.refuse(w, http.StatusBadRequest, fmt.Sprintf("full=%.40q: want 1 or 0", text))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.patience())
	defer cancel()
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	var m ring.Meta
	var err error
	if full {
		err = h.takeStill(ctx, b, &m)
	} else {
		err = h.takeFrame(ctx, asked, b, &m)
	}
	switch {
	case err == nil:
	case r.Context().Err() != nil: // nobody waits any more
		return
	case errors.Is(err, frame.ErrUnsupported):
		h.refuse(w, http.StatusConflict, hinted("full=1: the source takes no pictures beside the stream's", h.config.Hints.FullSnapshot))
		return
	case errors.Is(err, pipeline.ErrNoPictures):
		h.refuse(w, http.StatusNotImplemented, err.Error())
		return
	default:
		w.Header().Set("Retry-After", "1")
		text := "no picture came in time"
		if errors.Is(err, pipeline.ErrNoSignal) {
			text = err.Error()
		}
		h.refuse(w, http.StatusServiceUnavailable, text)
		return
	}

	web.Embeddable(w)
	header := w.Header()
	header.Set("Content-Type", "image/jpeg")
	header.Set("Content-Length", strconv.Itoa(len(*b)))
	header.Set("Content-Disposition", "inline; filename=snapshot.jpg")
	header.Set("X-Timestamp", stamp.Format(m.Captured))
	if !full {
		header.Set("X-Sequence", strconv.FormatUint(m.Sequence, 10))
	}
	h.counts.snapshots.Add(1)
	_, _ = w.Write(*b)
}

// takeFrame copies a frame of the stream, captured at or after notBefore.
func (h *Handler) takeFrame(ctx context.Context, notBefore time.Time, b *[]byte, m *ring.Meta) error {
	leave := h.config.Feed.Watch()
	defer leave()
	var f ring.Frame
	if err := h.config.Feed.Snapshot(ctx, notBefore, &f); err != nil {
		return err
	}
	defer f.Release()
	*b = append((*b)[:0], f.JPEG()...)
	*m = *f.Meta()
	return nil
}

func (h *Handler) takeStill(ctx context.Context, b *[]byte, m *ring.Meta) error {
	feed, ok := h.config.Feed.(stiller)
	if !ok {
		return frame.ErrUnsupported
	}
	picture, err := feed.Still(ctx, *b, &m.Picture)
	if err != nil {
		return err
	}
	*b = picture
	return nil
}
