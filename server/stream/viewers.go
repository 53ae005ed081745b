package stream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/web"
)

const streamType = "multipart/x-mixed-replace;boundary=" + fanout.Boundary

// stream hands the connection over to the fan-out.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	interval, err := frameInterval(r.URL.Query().Get("fps"))
	if err != nil {
		h.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	web.Embeddable(w)
	header := w.Header()
	header.Set("Content-Type", streamType)
	if r.URL.Query().Get("form") == "page" {
		// WebKit's fetch (2.50) fails at multipart/x-mixed-replace; the page splits the parts itself.
		header.Set("Content-Type", "application/octet-stream")
	}
	header.Set("X-Accel-Buffering", "no") // nginx would buffer the stream
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // also for HEAD
	}
	if r.Method == http.MethodHead {
		return
	}
	v := &fanout.Viewer{Address: h.address(r), Form: form(r), Interval: interval, Since: time.Now()}
	release, ok := h.config.Shell.Admit(w, r, func() { h.fanout.Remove(v) })
	if !ok {
		h.counts.refused.Add(1)
		return
	}
	conn, err := h.connect(w, r, v)
	if err != nil {
		release()
		return
	}
	leave, gone := h.config.Feed.Watch(), make(chan struct{})
	v.Gone = func(reason fanout.Reason) {
		leave()
		release()
		h.gone(v, reason)
		close(gone)
	}
	h.counts.viewers.Add(1)
	h.mu.Lock()
	h.viewers[v] = struct{}{}
	h.mu.Unlock()
	if err := h.fanout.Add(conn, v); err != nil {
		v.Gone(fanout.Closed)
	}
	if _, shared := conn.(*sharedConn); shared {
		<-gone // the reply ends with the handler
	}
}

// connect writes a stream's headers and preamble, and returns the connection for the rest.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request, v *fanout.Viewer) (net.Conn, error) {
	conn, head, err := h.takeOver(w, r)
	if err != nil {
		return nil, err
	}
	v.Transport = transport(conn, r)
	_ = conn.SetDeadline(time.Now().Add(h.config.StallTimeout))
	if _, err := io.WriteString(conn, head+v.Form.Preamble()); err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}

// takeOver returns the connection for an endless reply, and the head with w's headers, which the caller must write first. Over HTTP/2 the connection is
// a single stream, which ends with the handler. If neither is possible, takeOver replies with an error.
func (h *Handler) takeOver(w http.ResponseWriter, r *http.Request) (conn net.Conn, head string, err error) {
	if r.ProtoMajor == 2 {
		return newSharedConn(w, r, web.Conn(r)), "", nil
	}
	w.Header().Set("Connection", "close")
	if conn, _, err = http.NewResponseController(w).Hijack(); err != nil {
		h.refuse(w, http.StatusHTTPVersionNotSupported, "this connection cannot carry a stream; use HTTP/1.1 or HTTP/2")
		return nil, "", err
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	_ = w.Header().Write(&b)
	b.WriteString("\r\n")
	return conn, b.String(), nil
}

// viewer is a connection that receives pictures or video.
type viewer interface{ Stats() fanout.Stats }

var (
	_ viewer = (*fanout.Viewer)(nil)
	_ viewer = (*videoViewer)(nil)
)

// gone forgets a viewer. It must not block: it runs in the fan-out's goroutine.
func (h *Handler) gone(v viewer, reason fanout.Reason) {
	h.mu.Lock()
	delete(h.viewers, v)
	h.mu.Unlock()
	stats := v.Stats()
	h.counts.gone.frames.Add(stats.Frames)
	h.counts.gone.skipped.Add(stats.Skipped)
	h.counts.gone.bytes.Add(stats.Bytes)
	log := h.config.Log.Debug
	if reason == fanout.Stalled {
		h.counts.stalled.Add(1)
		log = h.config.Log.Info
	}
	log("viewer disconnected", zap.String("address", stats.Address), zap.Stringer("reason", reason),
		zap.Uint64("frames", stats.Frames), zap.Uint64("skipped", stats.Skipped))
}

// frameInterval converts ?fps= to the minimum interval between two frames.
func frameInterval(fps string) (time.Duration, error) {
	if fps == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(fps, 64)
	if err != nil || !(n >= 0.01 && n <= 1000) {
		return 0, fmt.Errorf("fps=%.40q: want 0.01 to 1000 frames per second", fps)
	}
	return pace.Duration(1 / n), nil
}

// form detects browsers, which need the next part's headers in advance, by the headers of their image requests; ?advance_headers=1
// or =0 overrides a wrong guess.
func form(r *http.Request) fanout.Form {
	switch r.URL.Query().Get("advance_headers") {
	case "1", "true":
		return fanout.Advance
	case "0", "false":
		return fanout.Plain
	}
	if r.URL.Query().Get("form") == "page" {
		return fanout.Plain
	}
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "image/avif") || strings.Contains(accept, "image/webp") || r.Header.Get("Sec-Fetch-Dest") == "image" {
		return fanout.Advance
	}
	// WebKit, when it opens the stream itself, names no image type.
	if strings.Contains(accept, "text/html") && strings.Contains(r.Header.Get("User-Agent"), "AppleWebKit/") {
		return fanout.Advance
	}
	return fanout.Plain
}

func transport(conn net.Conn, r *http.Request) string {
	if r.ProtoMajor == 2 {
		return "h2"
	}
	if r.TLS != nil {
		return "tls"
	}
	return conn.LocalAddr().Network()
}
