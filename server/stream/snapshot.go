package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// snapshotWait is how long a snapshot may take beyond two frame times: an idle encoder makes one picture per second.
const snapshotWait = 5 * time.Second

// fullWait is the additional time for a full-size snapshot: a webcam switches its mode and back, perhaps for other requests first.
const fullWait = 15 * time.Second

// patience is how long a snapshot may take at the configured frame rate, or the source's or its sender's own if that is lower.
func (h *Handler) patience() time.Duration {
	s := h.config.Feed.State()
	if s.Settings.FPS == 0 { // the feed has no rate
		return snapshotWait
	}
	rate := s.Settings.FPS
	if own := s.Source.FPS; own > 0 {
		rate = min(rate, own)
	}
	if s.Interval > 0 {
		rate = min(rate, 1/s.Interval)
	}
	return snapshotWait + 2*pace.Period(rate)
}

// copies are buffers for snapshots. Pictures are copied out of their slots, so that a slow client of /snapshot holds none.
var copies = sync.Pool{New: func() any { return new([]byte) }}

// snapshot replies with one picture, captured after the request arrived or at most ?max_age= earlier. ?full=1 requests the sensor's full
// size, where the source supports it; ?width=N limits the width in pixels.
func (h *Handler) snapshot(w http.ResponseWriter, r *http.Request) {
	want, err := parseSnapshotRequest(r.URL.Query())
	if err != nil {
		h.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	patience := h.patience()
	if want.full {
		patience += fullWait
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	var m ring.Meta
	jpg, err := h.take(ctx, &want, b, &m)
	switch {
	case err == nil:
	case r.Context().Err() != nil: // the client has gone
		return
	case errors.Is(err, frame.ErrUnsupported) && want.full:
		h.refuse(w, http.StatusConflict, hinted("full=1: the source cannot take full-size snapshots", h.config.Hints.FullSnapshot))
		return
	case errors.Is(err, pipeline.ErrNoPictures):
		h.refuse(w, http.StatusNotImplemented, err.Error())
		return
	default:
		w.Header().Set("Retry-After", "1")
		text := err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			text = fmt.Sprintf("no picture arrived within %v", patience.Round(100*time.Millisecond))
		}
		h.refuse(w, http.StatusServiceUnavailable, text)
		return
	}

	web.Embeddable(w)
	header := w.Header()
	header.Set("Content-Type", "image/jpeg")
	header.Set("Content-Length", strconv.Itoa(len(jpg)))
	header.Set("Content-Disposition", "inline; filename=snapshot.jpg")
	header.Set("X-Timestamp", stamp.Format(m.Captured))
	if !want.full {
		header.Set("X-Sequence", strconv.FormatUint(m.Sequence, 10))
	}
	h.counts.snapshots.Add(1)
	_, _ = w.Write(jpg) //nolint:gosec // image/jpeg, and nosniff
}

// snapshotRequest is a parsed snapshot request.
type snapshotRequest struct {
	notBefore time.Time // earliest capture time
	full      bool      // at the sensor's full size
	width     int       // maximum, in pixels; 0: the stream's
}

// parseSnapshotRequest parses the query of a request that has just arrived.
func parseSnapshotRequest(query url.Values) (want snapshotRequest, err error) {
	want.notBefore = time.Now()
	if age := query.Get("max_age"); age != "" {
		d, err := time.ParseDuration(age)
		if err != nil || d < 0 {
			return want, fmt.Errorf("max_age=%.40q: want a duration like 500ms or 2s", age)
		}
		want.notBefore = want.notBefore.Add(-d)
	}
	if text := query.Get("full"); text != "" {
		if want.full, err = strconv.ParseBool(text); err != nil {
			return want, fmt.Errorf("full=%.40q: want 1 or 0", text)
		}
	}
	if want.width, err = requestedWidth(query); err == nil && want.full && want.width > 0 {
		err = errors.New("full and width: use only one of them")
	}
	return want, err
}

// take returns the requested picture, in b or shared: the caller must not write to it.
func (h *Handler) take(ctx context.Context, want *snapshotRequest, b *[]byte, m *ring.Meta) ([]byte, error) {
	switch {
	case want.full:
		err := h.takeStill(ctx, b, m)
		return *b, err
	case want.width > 0:
		jpg, meta, err := h.small.smaller(ctx, want.notBefore, want.width)
		if err == nil {
			*m = *meta
		}
		return jpg, err
	}
	err := h.takeFrame(ctx, want.notBefore, b, m)
	return *b, err
}

// takeFrame copies a frame of the stream captured at or after notBefore.
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
