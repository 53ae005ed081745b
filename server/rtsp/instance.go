package rtsp

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/pion/rtp"
	"go.uber.org/zap"
)

// mostInstances bounds them: 127.0.0.0/8 alone has 16 million local addresses.
const mostInstances = 16

// packetSize is gortsplib's largest packet: Ethernet's 1,500 bytes less the IP and UDP headers.
const packetSize = 1472

// instance is a gortsplib server for one local address. Its UDP sockets are bound to that address, so that media comes from the address that the
// client connected to. For an unbound socket the kernel would choose the sender by route, 127.0.0.1 for 127.0.1.1, and clients drop packets from
// other addresses.
type instance struct {
	s       *Server
	address netip.Addr // invalid: shared by all addresses over mostInstances
	rtsp    *gortsplib.Server
	hand    *handOver
	streams map[*media]*gortsplib.ServerStream
	conns   atomic.Int64
	closing atomic.Bool
	done    sync.WaitGroup
	players sync.WaitGroup // joined after the sessions have ended
}

// checkMediaPorts makes Start fail if the UDP ports are in use, rather than the first reader over UDP.
func (s *Server) checkMediaPorts() error {
	if s.config.TLS != nil {
		return nil
	}
	for _, port := range []int{s.rtpPort, s.rtpPort + 1} {
		p, err := net.ListenPacket("udp", net.JoinHostPort(s.host, strconv.Itoa(port)))
		if err != nil {
			return fmt.Errorf("rtsp: listen at %s (media at UDP %d and %d): %w", s.config.Address, s.rtpPort, s.rtpPort+1, err)
		}
		p.Close()
	}
	return nil
}

// instanceFor returns the instance for a local address, creating it for the first connection to that address.
func (s *Server) instanceFor(local netip.Addr) (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if i := s.instances[local]; i != nil {
		return i, nil
	}
	if len(s.instances) >= mostInstances {
		s.closeUnused()
	}
	if len(s.instances) >= mostInstances {
		local = netip.Addr{}
		if i := s.instances[local]; i != nil {
			return i, nil
		}
	}
	i, err := s.newInstance(local, s.config.TLS == nil && local.IsValid())
	if err != nil && local.IsValid() && s.config.TLS == nil {
		s.config.Log.Warn("rtsp: no UDP on this address; media over TCP only", zap.Stringer("address", local), zap.Error(err))
		i, err = s.newInstance(local, false)
	}
	if err != nil {
		return nil, err
	}
	s.instances[local] = i
	s.publish()
	return i, nil
}

// closeUnused closes the instances without connections and readers; s.mu is held.
func (s *Server) closeUnused() {
	for local, i := range s.instances {
		if i.conns.Load() == 0 && !s.readers.any(i) {
			delete(s.instances, local)
			s.publish()
			i.close()
		}
	}
}

// publish updates the list that the sender uses; s.mu is held.
func (s *Server) publish() {
	list := slices.Collect(maps.Values(s.instances))
	s.streams.Store(&list)
}

func (s *Server) newInstance(local netip.Addr, udp bool) (*instance, error) {
	i := &instance{s: s, address: local, hand: newHandOver(s.listener.Addr()), streams: map[*media]*gortsplib.ServerStream{}}
	packets := 1
	for 2*packets*packetSize <= s.config.QueueBytes { // gortsplib wants a power of two
		packets *= 2
	}
	i.rtsp = &gortsplib.Server{
		Handler:        i,
		RTSPAddress:    s.config.Address,
		TLSConfig:      s.config.TLS,
		WriteTimeout:   s.config.StallTimeout,
		WriteQueueSize: packets,
		MaxPacketSize:  packetSize,
		AuthMethods:    []auth.VerifyMethod{auth.VerifyMethodBasic},
		Listen:         func(string, string) (net.Listener, error) { return i.hand, nil },
	}
	if udp {
		i.rtsp.UDPRTPAddress = net.JoinHostPort(local.String(), strconv.Itoa(s.rtpPort))
		i.rtsp.UDPRTCPAddress = net.JoinHostPort(local.String(), strconv.Itoa(s.rtpPort+1))
	}
	if err := i.rtsp.Start(); err != nil {
		return nil, fmt.Errorf("rtsp: serve at %s: %w", local, err)
	}
	for _, m := range s.media {
		stream := &gortsplib.ServerStream{Server: i.rtsp, Desc: &description.Session{Title: "maixstream", Medias: []*description.Media{m.description}}}
		if err := stream.Initialize(); err != nil {
			i.close()
			return nil, fmt.Errorf("rtsp: serve at %s: %w", local, err)
		}
		i.streams[m] = stream
	}
	i.done.Go(i.watch)
	return i, nil
}

// watch handles an unexpected end of gortsplib's server: the next connection starts a new one.
func (i *instance) watch() {
	err := i.rtsp.Wait()
	if i.closing.Load() {
		return
	}
	i.s.mu.Lock()
	if i.s.instances[i.address] == i {
		delete(i.s.instances, i.address)
		i.s.publish()
	}
	i.s.mu.Unlock()
	i.s.restarts.Add(1)
	i.s.config.Log.Error("rtsp: server of one address ended; the next connection restarts it", zap.Stringer("address", i.address), zap.Error(err))
	i.end()
	i.players.Wait()
}

// close ends the instance's sessions and connections, and joins its goroutines.
func (i *instance) close() {
	i.closing.Store(true)
	i.end()
	i.done.Wait()
	i.players.Wait()
}

func (i *instance) end() {
	for _, stream := range i.streams {
		stream.Close()
	}
	i.rtsp.Close()
	_ = i.hand.Close()
}

func (i *instance) write(m *media, packet *rtp.Packet, captured time.Time) error {
	err := i.streams[m].WritePacketRTPWithNTP(m.description, packet, captured)
	if err != nil && i.closing.Load() {
		return nil
	}
	return err
}

// handOver is the listener that gortsplib sees; it yields connections that this package has accepted.
type handOver struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newHandOver(address net.Addr) *handOver {
	return &handOver{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give hands a connection over, or closes it if the listener is closed.
func (h *handOver) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		c.Close()
	}
}

func (h *handOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handOver) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handOver) Addr() net.Addr { return h.address }

var _ net.Listener = (*handOver)(nil)
