// Package server shows the pictures of a program in browsers (JPEGStreamer). Its parts serve more than that: web is the HTTP shell, stream one feed's
// pictures over HTTP, rtsp the same over RTSP, upload takes pictures in.
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

// JPEG is a picture that lends its bytes: Borrow's are only read, and only during the call that they are given to. *picture.Encoded is one.
type JPEG interface{ Borrow() []byte }

// StreamerConfig says where a JPEGStreamer serves. All fields may be zero.
type StreamerConfig struct {
	Host       string // "": all interfaces
	Port       int    // 0: 8000; -1: any that is free
	MaxClients int    // viewers of the stream at once; 0: 16; -1: no limit
	// MaxJPEG is the largest picture in bytes. Twelve times as much address space is reserved; memory is used only as far as pictures
	// ever filled it. 0: 2 MiB.
	MaxJPEG int
	// Log gets what an operator should know; nil: nothing.
	Log *zap.Logger
}

// JPEGStreamer shows the pictures of a program in browsers: Start it, Write a picture whenever there is one. Its methods may be called from
// any goroutine.
type JPEGStreamer struct {
	config StreamerConfig

	mu      sync.Mutex
	html    []byte
	running *running // nil before Start and after Stop
}

// NewJPEGStreamer makes a streamer; it opens nothing before Start.
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

// ErrNotStarted is returned by Write while the streamer does not run.
var ErrNotStarted = errors.New("streamer not started")

// Start opens the port and serves. It may be started again after Stop.
func (s *JPEGStreamer) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return errors.New("streamer: start: it runs already")
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

// running is what a started streamer consists of.
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

// close ends what was started.
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

// SetHTML changes the page at /: any HTML with <img src="/stream">; "": the built-in one.
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

// Write shows a picture to all viewers. It is copied once; jpg may be released after. It never waits for a viewer.
func (s *JPEGStreamer) Write(jpg JPEG) error {
	if jpg == nil {
		return errors.New("streamer: write: no picture (nil)")
	}
	return s.WriteBytes(jpg.Borrow())
}

// WriteBytes is Write for a JPEG in plain memory. It returns an error that wraps frame.ErrBadPicture when jpg is no JPEG,
// frame.ErrTooLarge when it is over MaxJPEG, ErrNotStarted before Start and after Stop.
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

// Host returns an address of this machine at which viewers reach the streamer: the configured one, or for all interfaces the first of
// the network's.
func (s *JPEGStreamer) Host() string {
	if ip := net.ParseIP(s.config.Host); s.config.Host != "" && (ip == nil || !ip.IsUnspecified()) {
		return s.config.Host
	}
	return web.HostAddresses()[0]
}

// Port returns the port that it serves at; before Start the configured one, 0 when any will do.
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
