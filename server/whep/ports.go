package whep

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
)

// ports are the UDP sockets that all viewers share, one per local address: a reply must come from the address that the viewer sent to. The set
// follows the machine's addresses.
type ports struct {
	port   int
	wanted func(netip.Addr) bool
	log    logging.LeveledLogger
	// Queries to the operating system; replaced in tests.
	addresses func() ([]netip.Addr, error)
	listen    func(netip.AddrPort) (net.PacketConn, error)

	mu     sync.Mutex
	muxes  map[netip.AddrPort]*ice.UDPMuxDefault
	closed bool
}

func newPorts(port int, wanted func(netip.Addr) bool, log logging.LeveledLogger) *ports {
	return &ports{
		port: port, wanted: wanted, log: log, addresses: addresses, muxes: map[netip.AddrPort]*ice.UDPMuxDefault{},
		listen: func(at netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		},
	}
}

// addresses returns the addresses of the interfaces that are up.
func addresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		all, err := i.Addrs()
		if err != nil { // the interface has disappeared meanwhile
			continue
		}
		for _, a := range all {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				list = append(list, prefix.Addr().Unmap())
			}
		}
	}
	return list, nil
}

// reachable reports whether an address can be offered to viewers. IPv6 link-local addresses need a zone, which a candidate cannot carry.
func reachable(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && (ip.Is4() || !ip.IsLinkLocalUnicast())
}

// update opens a socket for each new address and closes those of removed ones. An address that cannot be bound yet is not an error, and is
// retried at the next update: a fresh IPv6 address is tentative until duplicate address detection ends (RFC 4862, 5.4),
// whereupon the kernel reports another change.
func (p *ports) update() error {
	list, err := p.addresses()
	if err != nil {
		return fmt.Errorf("network addresses: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	there := map[netip.AddrPort]bool{}
	var failed error
	for _, ip := range list {
		at := netip.AddrPortFrom(ip, uint16(p.port))
		if !p.wanted(ip) || there[at] {
			continue
		}
		there[at] = true
		if p.muxes[at] != nil {
			continue
		}
		conn, err := p.listen(at)
		switch {
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			p.log.Debugf("%v cannot be bound yet", at)
		case err != nil:
			failed = errors.Join(failed, err)
		default:
			p.muxes[at] = ice.NewUDPMuxDefault(ice.UDPMuxParams{Logger: p.log, UDPConn: conn})
		}
	}
	for at, mux := range p.muxes {
		if !there[at] {
			_ = mux.Close()
			delete(p.muxes, at)
		}
	}
	return failed
}

// GetListenAddresses implements ice.UDPMux.
func (p *ports) GetListenAddresses() []net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []net.Addr
	for at := range p.muxes {
		list = append(list, net.UDPAddrFromAddrPort(at))
	}
	return list
}

// GetConn implements ice.UDPMux.
func (p *ports) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("%v is not a UDP address", addr)
	}
	at := udp.AddrPort()
	p.mu.Lock()
	mux := p.muxes[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())]
	p.mu.Unlock()
	if mux == nil {
		return nil, fmt.Errorf("%v: %w", addr, syscall.EADDRNOTAVAIL)
	}
	return mux.GetConn(ufrag, addr)
}

// RemoveConnByUfrag implements ice.UDPMux.
func (p *ports) RemoveConnByUfrag(ufrag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, mux := range p.muxes {
		mux.RemoveConnByUfrag(ufrag)
	}
}

// Close implements ice.UDPMux.
func (p *ports) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var err error
	for at, mux := range p.muxes {
		err = errors.Join(err, mux.Close())
		delete(p.muxes, at)
	}
	return err
}

var _ ice.UDPMux = (*ports)(nil)
