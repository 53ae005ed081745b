package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the trusted ones, whose forwarded addresses count.
type proxies struct {
	networks []netip.Prefix
	unix     bool // clients of a Unix socket
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

// trusts takes an invalid address for the peer of a Unix socket.
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

// client returns the address r comes from, as far as known: if a trusted proxy forwarded it, the one the proxy saw. It is not valid
// for a Unix socket. forwarded reports whether a proxy, trusted or not, forwarded it.
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

// secure reports whether the browser that sent r uses TLS.
func (p *proxies) secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" && p.trusts(addressOf(r.RemoteAddr))
}

// parseForwarded parses an address in X-Forwarded-For: some proxies add the port, and brackets around IPv6 addresses.
func parseForwarded(text string) (netip.Addr, bool) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr(), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return ip, err == nil
}

// addressOf is the host of host:port; not valid for a Unix socket.
func addressOf(hostport string) netip.Addr {
	at, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr()
}

// senderOf is the key for rate limits: an address, or for IPv6 its /64 network, which has one owner; "local" without an address.
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

// Client returns the address r comes from: if a trusted proxy forwarded it, the one the proxy saw. It is not valid for a Unix socket.
func (s *Server) Client(r *http.Request) netip.Addr {
	ip, _ := s.live.Load().proxies.client(r)
	return ip
}

// Sender is the key under which rate limits count an address: the address, or for IPv6 its /64 network, which has one owner; "local" without an address.
func Sender(ip netip.Addr) string { return senderOf(ip) }

// sender is senderOf for the address r comes from.
func (l *live) sender(r *http.Request) string {
	ip, _ := l.proxies.client(r)
	return senderOf(ip)
}

// hostOf is a Host header without port and brackets, in lower case.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
