package rtsp

import (
	"net"
	"net/netip"
	"time"
)

// Guarded returns accepted as a server with that stall timeout would use it.
func Guarded(accepted net.Conn, stall time.Duration) net.Conn {
	g := guard{most: 1, mostPerAddress: 1, first: time.Hour, stall: stall, conns: map[string]*conn{}, addresses: map[netip.Addr]int{}}
	c, _ := g.admit(accepted)
	return c
}

// Offered lists the credentials in a request's Authorization headers and query, each as user, password, token.
func Offered(authorization []string, query string) (list [][3]string) {
	for _, c := range offered(authorization, query) {
		list = append(list, [3]string{c.user, c.password, c.token})
	}
	return list
}
