package whep

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/netchange"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

// Config configures a Server.
type Config struct {
	// Address is where media is exchanged, over UDP and TCP: host:port or :port. A host must be an address of this machine.
	Address string
	// Hosts are further addresses at which viewers reach this machine, as behind a NAT that forwards Address's port.
	Hosts []string
	// MaxSessions limits viewers, including those still connecting; 0: 64.
	MaxSessions int
	// MaxPerHost limits viewers per client address; 0: 16.
	MaxPerHost int
	// Log receives messages for the operator; nil disables logging.
	Log *zap.Logger
}

// Server answers offers and sends media. Its methods are safe for concurrent use.
type Server struct {
	config Config
	udp    *ports
	tcp    ice.TCPMux
	api    *webrtc.API
	rates  rates
	cutter cutter

	connecting sync.Mutex // serializes connection setup; guards estimator and pacer
	// Created by the interceptors for the connection being set up.
	estimator cc.BandwidthEstimator
	pacer     *pacer

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session
	running  sync.WaitGroup

	unwatch  context.CancelFunc // stops watch
	watching sync.WaitGroup
}

// settleTime is how long addresses must be stable before they are used: changes come in bursts.
const settleTime = 300 * time.Millisecond

// Errors returned by Offer.
var (
	// ErrFull: the limit on viewers, in total or per address, is reached.
	ErrFull = errors.New("too many WebRTC viewers")
	// ErrOffer: the offer cannot be served. It is wrapped with the reason.
	ErrOffer = errors.New("offer not acceptable")
	// ErrClosed: the Server was closed.
	ErrClosed = errors.New("server closed")
)

// New opens the ports. The caller must call Close.
func New(c Config) (*Server, error) {
	host, portText, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("whep: listen at %s: %w (want host:port or :port)", c.Address, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("whep: listen at %s: port %q: want 1 to 65535", c.Address, portText)
	}
	only := net.ParseIP(host)
	if host != "" && only == nil {
		return nil, fmt.Errorf("whep: listen at %s: %q is not an IP address", c.Address, host)
	}
	if only != nil && only.IsUnspecified() {
		only = nil
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 64
	}
	if c.MaxPerHost == 0 {
		c.MaxPerHost = 16
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	s := &Server{config: c, sessions: map[string]*session{}}
	loggers := quiet{c.Log}
	listener, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("whep: listen at %s: %w", c.Address, err)
	}
	port = listener.Addr().(*net.TCPAddr).Port
	own, _ := netip.AddrFromSlice(only)
	wanted := func(ip netip.Addr) bool { return reachable(ip) && (only == nil || ip == own.Unmap()) }
	s.udp = newPorts(port, wanted, loggers.NewLogger("ice"))
	ctx, cancel := context.WithCancel(context.Background())
	s.unwatch = cancel
	changed := netchange.Watch(ctx) // before the first update: a change between them must not be missed
	if err := s.udp.update(); err != nil {
		cancel()
		_ = s.udp.Close()
		_ = listener.Close()
		return nil, fmt.Errorf("whep: listen at %s: %w", c.Address, err)
	}
	s.tcp = webrtc.NewICETCPMux(loggers.NewLogger("ice"), listener, 64)
	if s.api, err = s.newAPI(loggers, wanted); err != nil {
		cancel()
		_ = s.closePorts()
		return nil, fmt.Errorf("whep: %w", err)
	}
	s.config.Address = net.JoinHostPort(host, strconv.Itoa(port))
	s.watching.Go(func() { s.watch(ctx, changed) })
	return s, nil
}

// watch follows the machine's addresses until changed is closed, which ctx's end causes.
func (s *Server) watch(ctx context.Context, changed <-chan struct{}) {
	reported := "" // an address that another program holds stays busy: warn once
	for range changed {
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
			continue // until the channel is closed
		}
		text := ""
		if err := s.udp.update(); err != nil {
			text = err.Error()
		}
		if text != "" && text != reported {
			s.config.Log.Warn("WebRTC: cannot use an address", zap.String("error", text))
		}
		reported = text
	}
}

func (s *Server) newAPI(loggers logging.LoggerFactory, wanted func(netip.Addr) bool) (*webrtc.API, error) {
	var e webrtc.SettingEngine
	e.LoggerFactory = loggers
	e.SetICEUDPMux(s.udp)
	e.SetICETCPMux(s.tcp)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	e.SetIncludeLoopbackCandidate(true)
	e.SetIPFilter(func(ip net.IP) bool {
		address, ok := netip.AddrFromSlice(ip)
		return ok && wanted(address.Unmap())
	})
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)                           // browsers hide their addresses behind names, but they connect to us
	e.SetICETimeouts(silenceTimeout/2, silenceTimeout-silenceTimeout/2, time.Second) // the second timeout starts when the first ends
	e.SetDTLSConnectContextMaker(func() (context.Context, func()) { return context.WithTimeout(context.Background(), connectTimeout) })
	if len(s.config.Hosts) > 0 {
		if err := e.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External: s.config.Hosts, AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteAppend,
		}); err != nil {
			return nil, err
		}
	}
	media, registry, err := s.codecs(loggers)
	if err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry)), nil
}

// Address returns where media is exchanged, with the actual port.
func (s *Server) Address() string { return s.config.Address }

// Stats returns the statistics of each connected viewer.
func (s *Server) Stats() []fanout.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []fanout.Stats
	for _, viewer := range s.sessions {
		if viewer.connected.Load() {
			list = append(list, viewer.stats())
		}
	}
	return list
}

// Sessions returns the number of viewers, including those still connecting.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Offer answers a viewer's offer to watch source and returns the session's ID and the answer, including all candidates. from is the viewer's
// address. left is called once when the viewer has gone; it is not called if Offer returns an error.
func (s *Server) Offer(ctx context.Context, source *pipeline.Video, from, offer string, left func()) (id, answer string, err error) {
	if err := checkOffer(offer); err != nil {
		return "", "", err
	}
	viewer, err := s.admit(from, source, left)
	if err != nil {
		return "", "", err
	}
	answer, err = viewer.answer(ctx, offer)
	if err != nil {
		viewer.left = func() {}
		viewer.end()
		return "", "", err
	}
	s.running.Go(viewer.run)
	return viewer.id, answer, nil
}

// admit creates a session if the limits allow it.
func (s *Server) admit(from string, source *pipeline.Video, left func()) (*session, error) {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	same := 0
	for _, other := range s.sessions {
		if other.host == host {
			same++
		}
	}
	if len(s.sessions) >= s.config.MaxSessions || same >= s.config.MaxPerHost {
		return nil, ErrFull
	}
	viewer := newSession(s, source, from, host, left)
	s.sessions[viewer.id] = viewer
	return viewer, nil
}

func (s *Server) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// forget removes a session from the list and reports whether it was there.
func (s *Server) forget(viewer *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.sessions[viewer.id]; !there {
		return false
	}
	delete(s.sessions, viewer.id)
	return true
}

// End ends the session with that ID and reports whether it existed.
func (s *Server) End(id string) bool {
	viewer := s.find(id)
	if viewer == nil {
		return false
	}
	viewer.end()
	return true
}

// Close ends all sessions, closes the ports and waits for all goroutines. It may be called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var all []*session
	for _, viewer := range s.sessions {
		all = append(all, viewer)
	}
	s.mu.Unlock()
	for _, viewer := range all {
		viewer.end()
	}
	s.unwatch()
	s.watching.Wait()
	s.running.Wait()
	return s.closePorts()
}

func (s *Server) closePorts() error { return errors.Join(s.tcp.Close(), s.udp.Close()) }
