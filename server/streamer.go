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

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// JPEG is a picture that lends its bytes: Borrow's are only read, and only during the call that they are given to. *picture.JPEG is one.
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
	feed   *writtenFeed

	mu     sync.Mutex
	html   []byte
	server *Server // nil before Start and after Stop
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
	if s.server != nil {
		return errors.New("streamer: start: it runs already")
	}
	if s.config.Port < 0 || s.config.Port > 65535 {
		return fmt.Errorf("streamer: start: port %d: out of range (1 to 65535)", s.config.Port)
	}
	r, err := ring.New(ring.Config{Slots: 12, SlotSize: s.config.MaxJPEG, Envelope: Envelope()})
	if err != nil {
		return fmt.Errorf("streamer: start: %w", err)
	}
	feed := &writtenFeed{ring: r}
	address := net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port))
	server, err := New(Config{Feed: feed, Listen: []string{address}, MaxClients: s.config.MaxClients, HTML: s.html, Log: s.config.Log})
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		r.Close()
		return fmt.Errorf("streamer: start: %w", err)
	}
	s.feed, s.server = feed, server
	return nil
}

// Stop closes all connections and the port, within two seconds. It may be called twice.
func (s *JPEGStreamer) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	err := s.server.Close(context.Background())
	s.feed.close()
	s.server, s.feed = nil, nil
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
	if s.server != nil {
		s.server.SetHTML(s.html)
	}
}

// Write shows a picture to all viewers. It is copied once; jpg may be released after. It never waits for a viewer.
func (s *JPEGStreamer) Write(jpg JPEG) error { return s.WriteBytes(jpg.Borrow()) }

// WriteBytes is Write for a JPEG in plain memory. It returns an error that wraps frame.ErrBadPicture when jpg is no JPEG,
// frame.ErrTooLarge when it is over MaxJPEG, ErrNotStarted before Start and after Stop.
func (s *JPEGStreamer) WriteBytes(jpg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed == nil {
		return fmt.Errorf("streamer: write: %w", ErrNotStarted)
	}
	if err := s.feed.write(jpg); err != nil {
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
	return hostAddresses()[0]
}

// Port returns the port that it serves at; before Start the configured one, 0 when any will do.
func (s *JPEGStreamer) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		if a, ok := s.server.listeners[0].Addr().(*net.TCPAddr); ok {
			return a.Port
		}
	}
	return s.config.Port
}

// writtenFeed is the Feed of pictures that a program writes. The streamer's lock makes it the ring's one producer.
type writtenFeed struct {
	ring *ring.Ring

	mu      sync.Mutex
	second  time.Time // when the running second began
	running struct{ frames, bytes int }
	state   pipeline.State
}

func (f *writtenFeed) write(jpg []byte) error {
	now := time.Now()
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return err
	}
	jpg = jpg[:info.Size]
	if len(jpg) > f.ring.SlotSize() {
		return fmt.Errorf("a JPEG of %d bytes, at most %d (MaxJPEG): %w", len(jpg), f.ring.SlotSize(), frame.ErrTooLarge)
	}
	v, ok := f.ring.Reserve()
	if !ok {
		f.mu.Lock()
		f.state.Dropped.Ring++
		f.mu.Unlock()
		return errors.New("every slot is held by slow readers, the picture was dropped")
	}
	p := frame.Picture{Size: copy(v.Buffer(f.ring), jpg), Width: info.Width, Height: info.Height, Captured: now}
	if err := f.ring.Publish(v, &p, time.Now()); err != nil {
		return err
	}
	f.count(&p)
	return nil
}

func (f *writtenFeed) count(p *frame.Picture) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state
	s.Captured++
	s.Published++
	s.Newest = pipeline.Newest{Sequence: s.Published, Captured: p.Captured, Width: p.Width, Height: p.Height, Bytes: p.Size}
	f.roll(p.Captured)
	f.running.frames++
	f.running.bytes += p.Size
}

// roll turns the running second's counts into rates when it is over.
func (f *writtenFeed) roll(now time.Time) {
	if d := now.Sub(f.second); d >= time.Second {
		if d > 3*time.Second {
			f.running.frames, f.running.bytes = 0, 0 // a pause, or the first picture
		}
		f.state.FPS = float64(f.running.frames) / d.Seconds()
		f.state.BytesPerSec = float64(f.running.bytes) / d.Seconds()
		f.state.CapturedFPS = f.state.FPS
		f.running.frames, f.running.bytes = 0, 0
		f.second = now
	}
}

func (f *writtenFeed) close() { f.ring.Close() }

// Ring is the Feed's.
func (f *writtenFeed) Ring() *ring.Ring { return f.ring }

// Watch does nothing: pictures come when the program writes them.
func (f *writtenFeed) Watch() func() { return func() {} }

// Snapshot waits up to a second for a picture written at or after notBefore, and is content with the newest then: the program may write
// one a minute.
func (f *writtenFeed) Snapshot(ctx context.Context, notBefore time.Time, fr *ring.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	reader := f.ring.NewReader()
	defer reader.Close()
	for reader.Next(ctx, fr) == nil {
		if !fr.Meta().Captured.Before(notBefore) {
			return nil
		}
		fr.Release()
	}
	if f.ring.Latest(fr) {
		return nil
	}
	return fmt.Errorf("%w: the program has not written a picture yet", pipeline.ErrNoSignal)
}

// State is the Feed's.
func (f *writtenFeed) State() pipeline.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.roll(time.Now())
	s := f.state
	s.Source = frame.Info{Name: "program", Kind: "program", Width: s.Newest.Width, Height: s.Newest.Height}
	s.Encoder = "pass-through"
	s.Signal = s.Published > 0
	if !s.Signal {
		s.Reason = "the program has not written a picture yet"
	}
	s.Settings = pipeline.Settings{Width: s.Newest.Width, Height: s.Newest.Height, FPS: s.FPS}
	return s
}

// Change refuses everything: the program decides.
func (f *writtenFeed) Change(context.Context, pipeline.Change) (pipeline.Settings, error) {
	return pipeline.Settings{}, fmt.Errorf("change settings: the program that writes the pictures decides about them: %w", frame.ErrUnsupported)
}

var _ Feed = (*writtenFeed)(nil)
