// Package stream shows one feed over HTTP: a page, an endless stream for any number of viewers, snapshots, state, metrics and settings.
package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/publish"
	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/internal/fanout"
	"github.com/maixstream/maixstream/server/internal/page"
	"github.com/maixstream/maixstream/server/internal/reply"
	"github.com/maixstream/maixstream/server/rtsp"
	"github.com/maixstream/maixstream/server/web"
)

// Config configures a Handler. Only Feed is required.
type Config struct {
	Feed Feed
	// Shell is the server that the Handler is mounted in; it limits viewers and tracks sessions. nil: neither.
	Shell Shell
	// StallTimeout disconnects viewers that read nothing for this long. 0: 10 s.
	StallTimeout time.Duration
	// HTML is the page at /; nil: the built-in one. It is only read.
	HTML []byte
	// Recording, when not nil, can be switched on and off from the page. The caller closes it.
	Recording *record.Switch
	// Pushes returns the state of the feed's pushes, for /state; nil: there are none.
	Pushes func() []push.State
	// Publications returns the state of the servers that the feed's H.264 is published to, for /state; nil: none.
	Publications func() []publish.State
	// RTSP returns the state of the feed's RTSP servers, for /state; nil: there are none.
	RTSP func() []rtsp.State
	// Keep, when not nil, persists settings across restarts at a client's request.
	Keep Keeper
	// Hints say how to enable what is off; they are appended to the corresponding error replies. "": nothing.
	Hints Hints
	// WebRTC, when not nil, serves /whep. The caller closes it, before the Handler.
	WebRTC WebRTC
	// Name is the stream's name in the page's title and in /state; "": none.
	Name string
	// Version is shown by /state.
	Version string
	// Log receives messages for the operator; nil disables logging.
	Log *zap.Logger
}

// Hints come from whoever configures a Handler, as "start it with --record DIR".
type Hints struct{ Recording, FullSnapshot, Video, WebRTC, Keep string }

// Keeper persists a feed's settings for the next start. Its methods must be safe for concurrent use.
type Keeper interface {
	// Kept reports whether settings are kept; if so, every later change is kept, too.
	Kept() bool
	// Keep replaces the kept settings if on, and discards them if not.
	Keep(s pipeline.Settings, on bool) error
}

func hinted(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + ": " + hint
}

// Shell is the server around a Handler. *web.Server is one.
type Shell interface {
	// Admit reserves a place for a viewer until leave is called, or replies that there is none. end is called, perhaps more than once, when the viewer
	// must be disconnected.
	Admit(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool)
	// Follow is Admit for followers of the state.
	Follow(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool)
	// InSession reports whether r is authorized by a session, which its page can end.
	InSession(r *http.Request) bool
	// Client returns the address that r comes from, as far as trusted proxies tell; invalid for a Unix socket.
	Client(r *http.Request) netip.Addr
	// Refuse writes an error reply.
	Refuse(w http.ResponseWriter, code int, text string)
	Stats() web.Stats
}

// Handler serves one feed. It may be mounted at any prefix (http.StripPrefix, web.Server.Mount), and at several.
type Handler struct {
	config Config
	router *web.Router
	fanout *fanout.Fanout
	began  time.Time
	html   atomic.Pointer[[]byte] // nil: the built-in page
	done   chan struct{}          // closed by Close
	videos sync.WaitGroup         // viewers of /video.mp4
	// canceled by Close
	closing context.Context
	shut    context.CancelFunc
	news    news
	small   shrinker
	counts  counts

	mu      sync.Mutex
	viewers map[viewer]struct{}
	closed  bool
}

// counts are totals since the start.
type counts struct {
	viewers, refused, stalled, snapshots atomic.Uint64
	gone                                 struct{ frames, skipped, bytes atomic.Uint64 } // of viewers that have left
}

// New starts a Handler. The caller must call Close.
func New(c Config) (*Handler, error) {
	if c.Feed == nil {
		return nil, errors.New("stream: no feed")
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = 10 * time.Second
	}
	if c.Shell == nil {
		c.Shell = noShell{}
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	h := &Handler{config: c, viewers: map[viewer]struct{}{}, done: make(chan struct{}), began: time.Now()}
	h.closing, h.shut = context.WithCancel(context.Background())
	var err error
	if h.fanout, err = fanout.New(fanout.Config{Ring: c.Feed.Ring(), StallTimeout: c.StallTimeout}); err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	h.small = shrinker{take: h.takeFrame, patience: h.patience, ctx: h.closing, last: map[int]*shrunk{}}
	h.SetHTML(c.HTML)
	const read = "GET, HEAD"
	h.router = web.NewRouter(c.Shell.Refuse, append(h.aliases(read),
		web.Route{Path: "/{$}", Methods: read, Handler: h.root},
		web.Route{Path: "/stream", Methods: read, Handler: h.stream},
		web.Route{Path: "/stream.mjpeg", Methods: read, Handler: h.stream},
		web.Route{Path: "/video.mp4", Methods: read, Handler: h.video},
		web.Route{Path: "/snapshot", Methods: read, Handler: h.snapshot},
		web.Route{Path: "/snapshot.jpg", Methods: read, Handler: h.snapshot},
		web.Route{Path: "/state", Methods: read, Handler: h.state},
		web.Route{Path: "/api/recording", Methods: "GET, HEAD, PATCH", Handler: h.recording},
		web.Route{Path: "/api/controls", Methods: "GET, HEAD, PATCH", Handler: h.controls},
		web.Route{Path: "/api/settings", Methods: "GET, HEAD, PATCH", Handler: h.settings},
		web.Route{Path: "/whep", Methods: "POST, OPTIONS", Handler: h.whep, Views: true},
		web.Route{Path: "/whep/{session}", Methods: "PATCH, DELETE", Handler: h.whepSession, Views: true},
		web.Route{Path: "/metrics", Methods: read, Handler: reply.Metrics(h.registry())},
	)...)
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.router.ServeHTTP(w, r) }

// Views implements web.Viewer.
func (h *Handler) Views(r *http.Request) bool { return h.router.Views(r) }

func (h *Handler) refuse(w http.ResponseWriter, code int, text string) {
	h.config.Shell.Refuse(w, code, text)
}

// SetHTML replaces the page at /; nil restores the built-in one. html must not be modified afterwards.
func (h *Handler) SetHTML(html []byte) {
	if html == nil {
		h.html.Store(nil)
		return
	}
	h.html.Store(&html)
}

// Close disconnects all viewers and waits for all goroutines. It may be called twice.
func (h *Handler) Close() {
	h.mu.Lock()
	if !h.closed {
		close(h.done)
	}
	h.closed = true
	h.mu.Unlock()
	h.shut()
	h.fanout.Close()
	h.videos.Wait()
	h.small.close()
}

// page serves the program's own page or the built-in one, which with ?bare shows only the picture.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if own := h.html.Load(); own != nil && !query.Has("bare") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(*own)
		return
	}
	if query.Has("bare") {
		web.Embeddable(w)
	}
	live := page.Live(page.View{Session: h.config.Shell.InSession(r), Bare: query.Has("bare"), Token: query.Get("token")}).Named(h.config.Name)
	live.Serve(w, http.StatusOK)
}

// address returns a viewer's address: with its port, unless a proxy forwarded the request.
func (h *Handler) address(r *http.Request) string {
	client := h.config.Shell.Client(r)
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); !client.IsValid() || err == nil && peer.Addr().Unmap() == client.Unmap() {
		return r.RemoteAddr
	}
	return client.String()
}

// noShell imposes no limits and has no sessions.
type noShell struct{}

func (noShell) Admit(http.ResponseWriter, *http.Request, func()) (func(), bool) {
	return func() {}, true
}

func (noShell) Follow(http.ResponseWriter, *http.Request, func()) (func(), bool) {
	return func() {}, true
}

func (noShell) Client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr()
}

func (noShell) InSession(*http.Request) bool { return false }

func (noShell) Refuse(w http.ResponseWriter, code int, text string) { http.Error(w, text, code) }

func (noShell) Stats() web.Stats { return web.Stats{} }

var (
	_ Shell = (*web.Server)(nil)
	_ Shell = noShell{}
)
