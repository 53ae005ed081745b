package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/internal/mp4"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/piecewise"
)

// videoFeed is a Feed that also has H.264, as *pipeline.Pipeline; Video returns nil if the pipeline has none.
type videoFeed interface{ Video() *pipeline.Video }

// How long a viewer waits for a key frame, beyond two frame times, before it gets an error. Where none can be requested it takes longer: films have about
// ten seconds between them.
const (
	firstUnit    = 10 * time.Second
	firstDistant = 60 * time.Second
)

// video sends H.264 as endless fragmented MP4, until the viewer leaves.
func (h *Handler) video(w http.ResponseWriter, r *http.Request) {
	source, ok := h.videoSource(w)
	if !ok {
		return
	}
	header := w.Header()
	header.Set("Content-Type", "video/mp4")
	header.Set("X-Accel-Buffering", "no") // nginx would buffer the stream
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close")
	}
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	release, ok := h.config.Shell.Admit(w, r, cancel)
	if !ok {
		h.counts.refused.Add(1)
		return
	}
	defer release()
	if !h.joinVideo() {
		return
	}
	defer h.videos.Done()
	defer context.AfterFunc(h.closing, cancel)()
	defer source.Watch()()
	reader := source.Log().NewReader(0)
	defer reader.Close()
	v := &videoViewer{address: h.address(r), since: time.Now(), reader: reader, stall: h.config.StallTimeout}
	within := firstUnit
	if !source.OnDemand() {
		within = firstDistant
	}
	within += 2 * source.FrameTime()
	if err := v.first(ctx, within); err != nil {
		if ctx.Err() == nil {
			w.Header().Set("Retry-After", "1")
			h.refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("no H.264 within %v: %s", within.Round(time.Second), whyNot(source, h.config.Feed.State())))
		}
		return
	}
	defer v.unit.Release()
	header.Set("Content-Type", `video/mp4; codecs="`+v.unit.Meta().Parameters.Codec()+`"`)
	conn, head, err := h.takeOver(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	v.conn, v.transport = conn, transport(conn, r)
	fanout.LimitUnsent(conn)

	h.counts.viewers.Add(1)
	h.mu.Lock()
	h.viewers[v] = struct{}{}
	h.mu.Unlock()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	h.videos.Go(func() { // viewers send nothing; reading detects their end, and answers TLS's own messages
		// A clean end closes only the viewer's sending half: it may read on, and a write will tell.
		if _, err := io.Copy(io.Discard, conn); err != nil {
			cancel()
		}
	})
	h.gone(v, v.run(ctx, h.closing, []byte(head)))
}

// videoSource returns the feed's H.264, or replies why there is none.
func (h *Handler) videoSource(w http.ResponseWriter) (*pipeline.Video, bool) {
	var source *pipeline.Video
	if feed, ok := h.config.Feed.(videoFeed); ok {
		source = feed.Video()
	}
	if source == nil {
		h.refuse(w, http.StatusNotImplemented, hinted("no H.264 is available for these pictures", h.config.Hints.Video))
		return nil, false
	}
	if err := source.Err(); err != nil {
		h.refuse(w, http.StatusNotImplemented, err.Error())
		return nil, false
	}
	return source, true
}

func whyNot(source *pipeline.Video, state pipeline.State) string {
	switch {
	case source.Err() != nil:
		return source.Err().Error()
	case !state.Signal:
		return "no signal: " + state.Reason
	}
	return "the source has sent no key frame"
}

// joinVideo registers a viewer that Close waits for; it returns false if the Handler is closed.
func (h *Handler) joinVideo() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.videos.Add(1)
	return true
}

// videoViewer is a viewer of MP4; it runs in its request's goroutine.
type videoViewer struct {
	address, transport string
	since              time.Time
	reader             *video.Reader
	stall              time.Duration
	conn               net.Conn
	unit               video.Unit

	parameters *video.Parameters // of the last init segment
	clock      mp4.Clock
	fragment   *mp4.Fragment
	sample     mp4.Sample
	pieces     [3][]byte
	buffers    net.Buffers

	frames, skipped, bytes atomic.Uint64
	fps, byteRate          atomic.Uint64 // math.Float64bits, over about the last second
	measured               time.Time
	frames0, bytes0        uint64
}

// first waits for the viewer's first key frame.
func (v *videoViewer) first(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := v.reader.Next(ctx, &v.unit); err != nil {
		return err
	}
	v.unit.Skipped = 0 // units before it are not losses
	var err error
	v.fragment, err = mp4.NewFragment()
	return err
}

// run sends units until the viewer leaves, stalls, or the Handler is closed. The viewer holds the first unit already.
func (v *videoViewer) run(ctx, closing context.Context, head []byte) fanout.Reason {
	v.measured = v.since
	for {
		if err := v.send(head); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return fanout.Stalled
			}
			break
		}
		head = nil
		v.unit.Release()
		if err := v.reader.Next(ctx, &v.unit); err != nil {
			break
		}
	}
	if closing.Err() != nil {
		return fanout.Closed
	}
	return fanout.Left
}

// send writes the held unit, preceded by head and, when parameters change, an init segment.
func (v *videoViewer) send(head []byte) error {
	m := v.unit.Meta()
	if m.Parameters != v.parameters {
		init, err := mp4.Init(m.Parameters.SPS, m.Parameters.PPS)
		if err != nil {
			return err
		}
		head = append(head, init...)
		v.parameters = m.Parameters
	}
	b := v.unit.Bytes()
	v.sample.Size, v.sample.Key, v.sample.Captured = len(b), m.Key, m.Captured
	v.sample.Time, v.sample.Duration = v.clock.Next(m.Captured)
	v.sample.Shown = m.Shown
	v.pieces = [3][]byte{head, v.fragment.Head(&v.sample), b}
	v.buffers = v.pieces[:]
	v.skipped.Add(v.unit.Skipped)
	if err := v.write(); err != nil {
		return err
	}
	v.frames.Add(1)
	v.rate()
	return nil
}

// write sends the buffers. A key frame over a slow link may take longer than the stall timeout, as long as some of it goes out within that.
func (v *videoViewer) write() error {
	switch v.conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return v.writePieces()
	}
	for {
		_ = v.extend()
		n, err := v.buffers.WriteTo(v.conn)
		v.bytes.Add(uint64(n))
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// writePieces is write for a connection that is unusable once a write has timed out, as with TLS.
func (v *videoViewer) writePieces() error {
	for _, b := range v.buffers {
		n, err := piecewise.Write(v.conn, b, v.extend)
		v.bytes.Add(uint64(n))
		if err != nil {
			return err
		}
	}
	return nil
}

// extend gives what is written next the stall timeout from now.
func (v *videoViewer) extend() error { return v.conn.SetWriteDeadline(time.Now().Add(v.stall)) }

// rate updates the rates about once per second.
func (v *videoViewer) rate() {
	now := time.Now()
	d := now.Sub(v.measured).Seconds()
	if d < 1 {
		return
	}
	frames, bytes := v.frames.Load(), v.bytes.Load()
	v.fps.Store(math.Float64bits(float64(frames-v.frames0) / d))
	v.byteRate.Store(math.Float64bits(float64(bytes-v.bytes0) / d))
	v.frames0, v.bytes0, v.measured = frames, bytes, now
}

// Stats is safe for concurrent use.
func (v *videoViewer) Stats() fanout.Stats {
	return fanout.Stats{
		Address: v.address, Transport: v.transport, Form: "mp4",
		FPS: math.Float64frombits(v.fps.Load()), BytesPerSec: math.Float64frombits(v.byteRate.Load()),
		Frames: v.frames.Load(), Skipped: v.skipped.Load(), Bytes: v.bytes.Load(), AgeSeconds: time.Since(v.since).Seconds(),
	}
}
