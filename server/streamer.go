// Package server shows a program's pictures in browsers (JPEGStreamer). Its subpackages can be used separately: web is the HTTP shell,
// stream serves one feed over HTTP, rtsp serves it over RTSP, upload receives pictures.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// JPEG is an encoded picture. The bytes that Borrow returns are only read, and only during the call they are passed to. *picture.Encoded implements it.
type JPEG interface{ Borrow() []byte }

// StreamerConfig configures a JPEGStreamer. The zero value is usable.
type StreamerConfig struct {
	Host       string // "": all interfaces
	Port       int    // 0: 8000; -1: any free port
	MaxClients int    // concurrent stream viewers; 0: 16; -1: no limit
	// MaxJPEG is the size limit of a picture, in bytes. Twelve times this much address space is reserved; only what pictures have actually
	// filled uses memory. 0: 2 MiB.
	MaxJPEG int
	// Log receives messages for the operator; nil disables logging.
	Log *zap.Logger
}

// JPEGStreamer shows a program's pictures in browsers: call Start, then Write for each picture. Its methods are safe for concurrent
// use.
type JPEGStreamer struct {
	config StreamerConfig

	mu      sync.Mutex
	html    []byte
	running *running // nil before Start and after Stop
}

// NewJPEGStreamer returns a streamer; it opens nothing before Start.
func NewJPEGStreamer(c StreamerConfig) *JPEGStreamer {
	switch c.Port {
	case 0:
		c.Port = 8000
	case -1:
		c.Port = 0
	}
	switch c.MaxClients {
	case 0:
		c.MaxClients = 16
	case -1:
		c.MaxClients = 0
	}
	if c.MaxJPEG == 0 {
		c.MaxJPEG = 2 << 20
	}
	return &JPEGStreamer{config: c}
}

// ErrNotStarted is returned by Write when the streamer is not running.
var ErrNotStarted = errors.New("streamer not started")

// Start opens the port and begins serving. A stopped streamer can be started again.
func (s *JPEGStreamer) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return errors.New("streamer: start: already running")
	}
	if s.config.Port < 0 || s.config.Port > 65535 {
		return fmt.Errorf("streamer: start: port %d: out of range (1 to 65535)", s.config.Port)
	}
	r, err := s.start()
	if err != nil {
		return fmt.Errorf("streamer: start: %w", err)
	}
	s.running = r
	return nil
}

// running holds what a started streamer consists of.
type running struct {
	pictures *stream.Pictures
	stream   *stream.Handler
	web      *web.Server
}

func (s *JPEGStreamer) start() (r *running, err error) {
	r = &running{}
	defer func() {
		if err != nil {
			_ = r.close()
		}
	}()
	r.pictures, err = stream.NewPictures(stream.PicturesConfig{
		Slots: 12, SlotSize: s.config.MaxJPEG, Name: "program", Kind: "program", Waiting: "the program has not written a picture yet",
	})
	if err != nil {
		return r, err
	}
	address := net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port))
	if r.web, err = web.New(web.Config{Listen: []string{address}, MaxClients: s.config.MaxClients, Log: s.config.Log}); err != nil {
		return r, err
	}
	if r.stream, err = stream.New(stream.Config{Feed: r.pictures, Shell: r.web, HTML: s.html, Log: s.config.Log}); err != nil {
		return r, err
	}
	r.web.Mount("/", r.stream)
	return r, r.web.Start()
}

// close stops the servers and frees the feed.
func (r *running) close() (err error) {
	if r.stream != nil {
		r.stream.Close()
	}
	if r.web != nil {
		err = r.web.Close(context.Background())
	}
	if r.pictures != nil {
		r.pictures.Close()
	}
	return err
}

// Stop closes all connections and the port, within two seconds. It may be called twice.
func (s *JPEGStreamer) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	err := s.running.close()
	s.running = nil
	return err
}

// SetHTML replaces the page at /: any HTML with <img src="/stream">; "" restores the built-in page.
func (s *JPEGStreamer) SetHTML(html string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.html = nil
	if html != "" {
		s.html = []byte(html)
	}
	if s.running != nil {
		s.running.stream.SetHTML(s.html)
	}
}

// Write shows a picture to all viewers. It copies jpg, which may be released afterwards, and never waits for a viewer.
func (s *JPEGStreamer) Write(jpg JPEG) error {
	if jpg == nil {
		return errors.New("streamer: write: no picture (nil)")
	}
	return s.WriteBytes(jpg.Borrow())
}

// WriteBytes is Write for a JPEG in plain memory. The error wraps frame.ErrBadPicture if jpg is not a JPEG, frame.ErrTooLarge if it
// exceeds MaxJPEG, and ErrNotStarted before Start and after Stop.
func (s *JPEGStreamer) WriteBytes(jpg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return fmt.Errorf("streamer: write: %w", ErrNotStarted)
	}
	captured := time.Now()
	info, err := jpegcheck.Parse(jpg)
	if err == nil {
		err = s.running.pictures.Write(jpegcheck.Completed(jpg, &info), info.Width, info.Height, captured)
	}
	if err != nil {
		return fmt.Errorf("streamer: write: %w", err)
	}
	return nil
}

// Host returns an address at which viewers reach the streamer: the configured one or, for all interfaces, this machine's first network
// address.
func (s *JPEGStreamer) Host() string {
	if ip := net.ParseIP(s.config.Host); s.config.Host != "" && (ip == nil || !ip.IsUnspecified()) {
		return s.config.Host
	}
	return web.HostAddresses()[0]
}

// Port returns the port being served; before Start, the configured one, or 0 for any free port.
func (s *JPEGStreamer) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		if a, ok := s.running.web.Addrs()[0].(*net.TCPAddr); ok {
			return a.Port
		}
	}
	return s.config.Port
}
