// Package rtsp serves a feed over RTSP, TCP and UDP, without re-encoding: a ring's frames as RTP/JPEG (RFC 2435), and H.264 (RFC 6184) if the
// feed has it.
package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/accept"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// Feed is a source of frames.
type Feed interface {
	Ring() *ring.Ring
	// Watch announces a viewer; leave ends that.
	Watch() (leave func())
}

// Defaults of Config's limits.
const (
	defaultConns      = 256
	defaultPerAddress = 32
	defaultStall      = 10 * time.Second
	// A 2 MiB frame is 1,450 packets: a queue must hold a whole one, or none arrives complete.
	defaultQueue = 6 << 20
)

// Config configures a Server.
type Config struct {
	// Address is host:port for RTSP over TCP. Media over UDP comes from the next even port and the odd one above it.
	Address string
	Feed    Feed
	// TLS, if not nil, makes it an RTSPS server: media is sent over the encrypted connection only, never over UDP.
	TLS *tls.Config
	// Allow decides who is allowed in: from an address (host:port), with a user and password, or with the token of ?token= in the URL;
	// absent ones are "". nil allows everybody. Only Basic is offered: passwords are stored as bcrypt hashes, from which a digest cannot be
	// computed.
	Allow func(from, user, password, token string) bool
	// MaxReaders is how many sessions may play at once; 0: no limit. At the limit, a newcomer replaces a reader from
	// an address that has at least two more than the newcomer's.
	MaxReaders int
	// MaxConns is how many connections may be open at once, and MaxPerAddress how many of them, and how many readers, one address may have
	// (of IPv6, a /64 network). 0: 256 and 32.
	MaxConns, MaxPerAddress int
	// FirstRequest is how long a connection may take to send its first request, and StallTimeout how long a reader may take nothing of what is written to it.
	// 0: 10 s each.
	FirstRequest, StallTimeout time.Duration
	// QueueBytes bounds the data queued per reader. A larger frame may arrive incomplete. 0: 6 MiB.
	QueueBytes int
	// Listen opens the TCP listener; nil: net.Listen.
	Listen func(network, address string) (net.Listener, error)
	Log    *zap.Logger
}

// State is a Server's state.
type State struct {
	Address     string `json:"address"`
	TLS         bool   `json:"tls,omitempty"`
	Readers     int    `json:"readers"`         // playing sessions
	Connections int    `json:"connections"`     // open ones, including readers'
	Refused     uint64 `json:"refused"`         // connections and readers over a limit
	Lost        uint64 `json:"lost_packets"`    // not sent to slow readers
	Restarts    uint64 `json:"restarts"`        // how often accepting failed and was restarted
	Error       string `json:"error,omitempty"` // why no connections are accepted now
}

// Server is a running RTSP server.
type Server struct {
	config  Config
	host    string
	rtpPort int
	media   []*media
	started time.Time
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	done    sync.WaitGroup
	guard   guard
	readers readers

	restarts atomic.Uint64
	problem  atomic.Pointer[string]

	mu        sync.Mutex
	closed    bool
	listener  net.Listener
	instances map[netip.Addr]*instance
	streams   atomic.Pointer[[]*instance] // the instances, for the sender
}

// CheckAddress returns an error if a Config.Address is not host:port, or its port leaves no room for the media ports.
func CheckAddress(address string) error {
	_, _, err := split(address)
	return err
}

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("rtsp: address %q: want host:port, or :port as in :8554", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65532 {
		return "", 0, fmt.Errorf("rtsp: address %q: the port must be a number from 1 to 65532", address)
	}
	return host, port, nil
}

// Start opens the ports and serves until Close.
func Start(c Config) (*Server, error) {
	host, port, err := split(c.Address)
	if err != nil {
		return nil, err
	}
	c.fill()
	s := &Server{
		config: c, host: host, started: time.Now(), instances: map[netip.Addr]*instance{},
		// RTP wants an even port and RTCP the odd one above (RFC 3550 section 11); the first pair above the RTSP port.
		rtpPort: port + 2 - port%2,
	}
	s.guard = guard{
		most: c.MaxConns, mostPerAddress: c.MaxPerAddress, first: c.FirstRequest, stall: c.StallTimeout,
		conns: map[string]*conn{}, addresses: map[netip.Addr]int{},
	}
	s.readers = readers{most: c.MaxReaders, mostPerAddress: c.MaxPerAddress, playing: map[session]*reader{}, log: c.Log}
	s.streams.Store(&[]*instance{})
	if s.listener, err = s.listen(); err != nil {
		return nil, fmt.Errorf("rtsp: listen at %s: %w", c.Address, err)
	}
	if err := s.checkMediaPorts(); err != nil {
		s.listener.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx, s.cancel = ctx, cancel
	s.media = []*media{s.newJPEG()}
	if m := s.newH264(); m != nil {
		s.media = append(s.media, m)
	}
	for _, m := range s.media {
		if m.run == nil {
			continue
		}
		s.done.Go(func() { m.run(ctx, func(p *rtp.Packet, captured time.Time) error { return s.write(m, p, captured) }) })
	}
	s.done.Go(func() { s.serve(ctx) })
	return s, nil
}

// fill sets the defaults.
func (c *Config) fill() {
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Listen == nil {
		c.Listen = net.Listen
	}
	for value, otherwise := range map[*int]int{&c.MaxConns: defaultConns, &c.MaxPerAddress: defaultPerAddress, &c.QueueBytes: defaultQueue} {
		if *value == 0 {
			*value = otherwise
		}
	}
	for value, otherwise := range map[*time.Duration]time.Duration{&c.FirstRequest: defaultStall, &c.StallTimeout: defaultStall} {
		if *value == 0 {
			*value = otherwise
		}
	}
}

func (s *Server) listen() (net.Listener, error) {
	network := "tcp"
	if s.host == "0.0.0.0" { // Go would listen on IPv6, too
		network = "tcp4"
	}
	l, err := s.config.Listen(network, s.config.Address)
	if err != nil {
		return nil, err
	}
	return accept.Patient(l, s.config.Log.Named("rtsp")), nil
}

// serve accepts connections until ctx ends, and reopens the listener if it fails.
func (s *Server) serve(ctx context.Context) {
	for {
		err := s.acceptAll()
		if ctx.Err() != nil {
			return
		}
		s.setProblem(fmt.Sprintf("stopped accepting connections: %v", err))
		s.config.Log.Error("rtsp: stopped accepting connections; listening again", zap.String("address", s.config.Address), zap.Error(err))
		s.listener.Close()
		for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if s.listenAgain() == nil {
				break
			}
		}
		s.restarts.Add(1)
		s.setProblem("")
		s.config.Log.Info("rtsp: listening again", zap.String("address", s.config.Address))
	}
}

func (s *Server) listenAgain() error {
	l, err := s.listen()
	if err != nil {
		s.setProblem(fmt.Sprintf("listen at %s: %v", s.config.Address, err))
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	if s.closed {
		l.Close()
	}
	return nil
}

func (s *Server) setProblem(text string) { s.problem.Store(&text) }

// acceptAll hands each connection to the instance for its local address.
func (s *Server) acceptAll() error {
	for {
		accepted, err := s.listener.Accept()
		if err != nil {
			return err
		}
		c, refusal := s.guard.admit(accepted)
		if refusal != "" {
			accepted.Close()
			s.guard.logRefusal(s.config.Log, refusal, accepted.RemoteAddr())
			continue
		}
		i, err := s.instanceFor(c.local)
		if err != nil {
			_ = c.Close()
			s.config.Log.Error("rtsp: connection closed; no server for its local address", zap.Stringer("from", c.RemoteAddr()), zap.Error(err))
			continue
		}
		i.hand.give(c)
	}
}

// SetMaxReaders changes how many sessions may play at once; 0: no limit. Playing sessions are not closed.
func (s *Server) SetMaxReaders(n int) { s.readers.setMost(n) }

// Readers returns how many sessions are playing.
func (s *Server) Readers() int { return int(s.readers.count.Load()) }

// State returns a snapshot. It may be called from any goroutine.
func (s *Server) State() State {
	state := State{
		Address: s.config.Address, TLS: s.config.TLS != nil, Readers: s.Readers(), Connections: s.guard.open(),
		Refused: s.guard.refused.Load() + s.readers.refused.Load(), Lost: s.readers.lost.Load(), Restarts: s.restarts.Load(),
	}
	if problem := s.problem.Load(); problem != nil {
		state.Error = *problem
	}
	return state
}

// Close ends all sessions and frees the ports. It may be called twice.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	s.mu.Unlock()
	s.done.Wait()
	s.mu.Lock()
	instances := s.instances
	s.instances = nil
	s.streams.Store(&[]*instance{})
	s.mu.Unlock()
	for _, i := range instances {
		i.close()
	}
	for _, m := range s.media {
		m.close()
	}
	s.readers.close()
}

// write sends a packet of a media to all its readers.
func (s *Server) write(m *media, packet *rtp.Packet, captured time.Time) error {
	var failed error
	for _, i := range *s.streams.Load() {
		if err := i.write(m, packet, captured); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
