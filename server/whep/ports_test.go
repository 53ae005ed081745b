package whep

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
)

func TestReachable(t *testing.T) {
	for text, want := range map[string]bool{
		"192.168.1.7": true, "10.0.0.1": true, "127.0.0.1": true, "169.254.3.4": true, "203.0.113.9": true,
		"::1": true, "2001:db8::5": true, "fd00::5": true, "fe80::5": false, "fe80::5%eth0": false,
		"0.0.0.0": false, "::": false, "224.0.0.251": false, "ff02::fb": false,
	} {
		if got := reachable(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if reachable(netip.Addr{}) {
		t.Error("no address is reachable")
	}
}

// machine has a changing set of addresses, some of which cannot be bound.
type machine struct {
	has  []string
	fail map[string]error
}

func (m *machine) ports(t *testing.T) *ports {
	t.Helper()
	p := newPorts(7, reachable, quiet{zap.NewNop()}.NewLogger("test"))
	p.addresses = func() (list []netip.Addr, err error) {
		for _, text := range m.has {
			list = append(list, netip.MustParseAddr(text))
		}
		return list, nil
	}
	p.listen = func(at netip.AddrPort) (net.PacketConn, error) {
		if err := m.fail[at.Addr().String()]; err != nil {
			return nil, fmt.Errorf("listen at %v: %w", at, err)
		}
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return named{conn, at}, err
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// named is a loopback socket that reports another address.
type named struct {
	*net.UDPConn
	at netip.AddrPort
}

func (n named) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(n.at) }

func listens(p *ports) string {
	var list []string
	for _, a := range p.GetListenAddresses() {
		list = append(list, a.String())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestPortsFollowAddresses(t *testing.T) {
	m := &machine{has: []string{"127.0.0.1", "fe80::1", "2001:db8::1"}, fail: map[string]error{"2001:db8::1": syscall.EADDRNOTAVAIL}}
	p := m.ports(t)
	for _, step := range []struct {
		name, want string
		change     func()
	}{
		{"a tentative IPv6 address is skipped", "127.0.0.1:7", func() {}},
		{"it becomes usable", "127.0.0.1:7 [2001:db8::1]:7", func() { delete(m.fail, "2001:db8::1") }},
		{"one is added", "10.0.0.2:7 127.0.0.1:7 [2001:db8::1]:7", func() { m.has = append(m.has, "10.0.0.2", "10.0.0.2") }},
		{"two are removed", "10.0.0.2:7", func() { m.has = []string{"10.0.0.2"} }},
		{"none is left", "", func() { m.has = nil }},
		{"one returns", "127.0.0.1:7", func() { m.has = []string{"127.0.0.1"} }},
	} {
		step.change()
		if err := p.update(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := listens(p); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	conn, err := p.GetConn("ufrag", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7})
	if err != nil {
		t.Fatal(err)
	}
	m.has, m.fail = []string{"10.0.0.3", "10.0.0.4"}, map[string]error{"10.0.0.3": syscall.EADDRINUSE}
	if err := p.update(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("with an address in use: %v", err)
	}
	if got := listens(p); got != "10.0.0.4:7" {
		t.Errorf("with another address in use: %q", got)
	}
	if _, _, err := conn.ReadFrom(make([]byte, 1)); err == nil {
		t.Error("a viewer's socket for a removed address is open")
	}
	if _, err := p.GetConn("ufrag", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}); err == nil {
		t.Error("a socket for a removed address exists")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.update(); err != nil || listens(p) != "" {
		t.Errorf("after Close: %v, %q", err, listens(p))
	}
}
