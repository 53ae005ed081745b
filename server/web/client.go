package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxies are those whose word on where a request came from counts.
type proxies struct {
	networks []netip.Prefix
	unix     bool // whoever connects to a Unix socket
}

func parseProxies(list []string) (proxies, error) {
	var p proxies
	for _, text := range list {
		if text == "unix" {
			p.unix = true
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			ip, err := netip.ParseAddr(text)
			if err != nil {
				return p, fmt.Errorf("trusted proxy %q: must be an address, a network such as 10.0.0.0/8, or unix", text)
			}
			network = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		}
		p.networks = append(p.networks, network.Masked())
	}
	return p, nil
}

// trusts takes no address, which is not valid, for a Unix socket's other side.
func (p *proxies) trusts(ip netip.Addr) bool {
	if !ip.IsValid() {
		return p.unix
	}
	for _, network := range p.networks {
		if network.Contains(ip.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// client returns the address that r comes from, as far as it is known: where a trusted proxy passed it on, the one that the proxy saw. It is not valid
// for a Unix socket. forwarded says that a proxy, trusted or not, passed it on.
func (p *proxies) client(r *http.Request) (ip netip.Addr, forwarded bool) {
	ip = addressOf(r.RemoteAddr)
	passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	forwarded = passed[0] != "" || len(passed) > 1 || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Real-Ip") != ""
	for i := len(passed) - 1; i >= 0 && p.trusts(ip); i-- {
		seen, ok := parseForwarded(passed[i])
		if !ok {
			break
		}
		ip = seen
	}
	return ip, forwarded
}

// secure says whether the browser that r comes from speaks TLS.
func (p *proxies) secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" && p.trusts(addressOf(r.RemoteAddr))
}

// parseForwarded reads an address in X-Forwarded-For: some proxies add the port, and brackets to an address of IPv6.
func parseForwarded(text string) (netip.Addr, bool) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr(), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return ip, err == nil
}

// addressOf is the host of a host:port; not valid for a Unix socket.
func addressOf(hostport string) netip.Addr {
	at, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr()
}

// senderOf is what limits count by: an address, for IPv6 its /64 network, which has one owner. Whoever has no address is "local".
func senderOf(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is6() {
		network, _ := ip.WithZone("").Prefix(64)
		return network.String()
	}
	if !ip.IsValid() {
		return "local"
	}
	return ip.String()
}

// Client returns the address that r comes from: where a trusted proxy passed it on, the one that the proxy saw. It is not valid for a Unix socket.
func (s *Server) Client(r *http.Request) netip.Addr {
	ip, _ := s.live.Load().proxies.client(r)
	return ip
}

// Sender is what limits count an address by: itself, or its /64 network where it is one of IPv6, which has one owner. Whoever has no address is "local".
func Sender(ip netip.Addr) string { return senderOf(ip) }

// sender is senderOf the address that r comes from.
func (l *live) sender(r *http.Request) string {
	ip, _ := l.proxies.client(r)
	return senderOf(ip)
}

// hostOf is a Host header without its port and brackets, in lower case.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
