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

// Config is what a Server needs.
type Config struct {
	// Address is where media are exchanged, by UDP and by TCP: host:port or :port. A host must be an address of this machine.
	Address string
	// Hosts are addresses at which viewers reach this machine besides its own, as behind a NAT that forwards Address's port.
	Hosts []string
	// MaxSessions is how many viewers there are at once, also those that have not connected yet; 0: 64.
	MaxSessions int
	// MaxPerHost is how many of them may come from one address; 0: 16.
	MaxPerHost int
	// Log gets what an operator should know; nil disables logging.
	Log *zap.Logger
}

// Server answers offers and sends media. Its methods may be called from any goroutine.
type Server struct {
	config Config
	udp    *ports
	tcp    ice.TCPMux
	api    *webrtc.API
	rates  rates
	cutter cutter

	making    sync.Mutex            // one connection at a time: the next field is that of the one being made
	estimator cc.BandwidthEstimator // what the interceptors have just made

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session
	running  sync.WaitGroup

	unwatch  context.CancelFunc // ends watching
	watching sync.WaitGroup
}

// settle is how long addresses must stay as they are before they are used: one seldom comes alone.
const settle = 300 * time.Millisecond

// Errors of Offer.
var (
	// ErrFull: there are as many viewers as are allowed, in all or from one address.
	ErrFull = errors.New("too many WebRTC viewers")
	// ErrOffer: the offer is not one of a viewer that can be served. It is wrapped with the reason.
	ErrOffer = errors.New("offer not acceptable")
	// ErrClosed: the Server was closed.
	ErrClosed = errors.New("server closed")
)

// New opens the ports. Close must be called.
func New(c Config) (*Server, error) {
	host, portText, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("whep: listen at %s: %w (an address is host:port or :port)", c.Address, err)
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
	if err := s.udp.update(); err != nil {
		_ = s.udp.Close()
		_ = listener.Close()
		return nil, fmt.Errorf("whep: listen at %s: %w", c.Address, err)
	}
	s.tcp = webrtc.NewICETCPMux(loggers.NewLogger("ice"), listener, 64)
	if s.api, err = s.newAPI(loggers, wanted); err != nil {
		_ = s.closePorts()
		return nil, fmt.Errorf("whep: %w", err)
	}
	s.config.Address = net.JoinHostPort(host, strconv.Itoa(port))
	ctx, cancel := context.WithCancel(context.Background())
	s.unwatch = cancel
	s.watching.Go(func() { s.watch(ctx) })
	return s, nil
}

// watch follows the machine's addresses until ctx ends.
func (s *Server) watch(ctx context.Context) {
	told := "" // an address that another program has stays so for long
	for range netchange.Watch(ctx) {
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			continue // until the channel is closed
		}
		text := ""
		if err := s.udp.update(); err != nil {
			text = err.Error()
		}
		if text != "" && text != told {
			s.config.Log.Warn("WebRTC: an address cannot be used", zap.String("error", text))
		}
		told = text
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
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)            // browsers hide their addresses behind names; they call us, and need not be resolved
	e.SetICETimeouts(goneAfter/2, goneAfter-goneAfter/2, time.Second) // the second counts from the end of the first
	e.SetDTLSConnectContextMaker(func() (context.Context, func()) { return context.WithTimeout(context.Background(), connectWithin) })
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

// Address is where media are exchanged, with the port that it really is.
func (s *Server) Address() string { return s.config.Address }

// Stats tells of each connected viewer.
func (s *Server) Stats() []fanout.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []fanout.Stats
	for _, one := range s.sessions {
		if one.connected.Load() {
			list = append(list, one.stats())
		}
	}
	return list
}

// Sessions is how many viewers there are, also those that have not connected yet.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Offer answers a viewer's offer of media from source and returns the session's name and the answer, both with everything that the viewer needs. left
// is called once when the viewer is gone; it is not called when there is an error. from is the viewer's address.
func (s *Server) Offer(ctx context.Context, source *pipeline.Video, from, offer string, left func()) (id, answer string, err error) {
	if err := checkOffer(offer); err != nil {
		return "", "", err
	}
	one, err := s.admit(from, source, left)
	if err != nil {
		return "", "", err
	}
	answer, err = one.answer(ctx, offer)
	if err != nil {
		one.left = func() {}
		one.end()
		return "", "", err
	}
	s.running.Go(one.run)
	return one.id, answer, nil
}

// admit makes a session if there is room for it.
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
	one := newSession(s, source, from, host, left)
	s.sessions[one.id] = one
	return one, nil
}

func (s *Server) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// forget takes a session off the list, and says whether it was on it.
func (s *Server) forget(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.sessions[one.id]; !there {
		return false
	}
	delete(s.sessions, one.id)
	return true
}

// End ends the session of that name and says whether there was one.
func (s *Server) End(id string) bool {
	one := s.find(id)
	if one == nil {
		return false
	}
	one.end()
	return true
}

// Close ends all sessions, closes the ports and joins all goroutines. It may be called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var all []*session
	for _, one := range s.sessions {
		all = append(all, one)
	}
	s.mu.Unlock()
	for _, one := range all {
		one.end()
	}
	s.unwatch()
	s.watching.Wait()
	s.running.Wait()
	return s.closePorts()
}

func (s *Server) closePorts() error { return errors.Join(s.tcp.Close(), s.udp.Close()) }
