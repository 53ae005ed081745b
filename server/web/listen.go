package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// listen opens everything the Config names; on error nothing stays open.
func (s *Server) listen() (err error) {
	c := &s.config
	defer func() {
		if err != nil {
			closeAll(s.listeners)
			s.listeners = nil
		}
	}()
	s.listeners = append(s.listeners, c.Listeners...)
	if c.SocketActivation {
		passed, err := activation.Listeners()
		if err != nil {
			return fmt.Errorf("sockets from systemd: %w", err)
		}
		for _, l := range passed {
			if l == nil {
				return errors.New("sockets from systemd: one is not a listening stream socket (ListenStream= in the .socket unit)")
			}
			s.listeners = append(s.listeners, l)
		}
	}
	addresses := c.Listen
	if addresses == nil && len(s.listeners) == 0 && c.Unix == "" {
		addresses = []string{c.DefaultListen}
	}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return listenError(address, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if c.Unix != "" {
		l, err := listenUnix(c.Unix, c.UnixMode, c.UnixGroup)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if c.TLSCert != "" {
		certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.live.Load().cert, nil }
		s.tls = &tls.Config{GetCertificate: certificate, NextProtos: protocols, MinVersion: tls.VersionTLS12}
	}
	return nil
}

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen at %s: %w: another program serves there already; stop it or choose another port", address, syscall.EADDRINUSE)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("listen at %s: this machine does not have that address: %w", address, err)
	}
	if errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("listen at %s: ports below 1024 need root or CAP_NET_BIND_SERVICE: %w", address, err)
	}
	return fmt.Errorf("listen at %s: %w", address, err)
}

// maxUnixPath is sizeof(sun_path) minus the zero byte: 108 on Linux, 104 on macOS and the BSDs.
const maxUnixPath = 103

func listenUnix(path string, mode fs.FileMode, group string) (net.Listener, error) {
	if len(path) > maxUnixPath {
		return nil, fmt.Errorf("listen at %s: a Unix socket path can have at most %d bytes, not %d", path, maxUnixPath, len(path))
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("listen at %s: the file exists and is not a socket", path)
		}
		if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
			conn.Close()
			return nil, fmt.Errorf("listen at %s: another program serves there already", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen at %s: remove a stale socket: %w", path, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	if err := grantGroup(path, mode, group); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return l, nil
}

// groupID returns the number of a group given by name or, as containers often need, by number.
func groupID(group string) (int, error) {
	if g, err := user.LookupGroup(group); err == nil {
		group = g.Gid
	} else if _, wrong := strconv.Atoi(group); wrong != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(group, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("group %s: %w", group, err)
	}
	return int(id), nil
}

// grantGroup lets a group's programs, such as nginx, connect to a socket.
func grantGroup(path string, mode fs.FileMode, group string) error {
	if group != "" {
		id, err := groupID(group)
		if err != nil {
			return err
		}
		if err := os.Chown(path, -1, id); err != nil {
			return fmt.Errorf("give the socket to group %s, which this program's user must be in: %w", group, err)
		}
	}
	if mode != 0 {
		return os.Chmod(path, mode)
	}
	return nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Addrs returns the addresses the running server listens at.
func (s *Server) Addrs() []net.Addr {
	var addrs []net.Addr
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// URLs returns an address for each way a viewer could reach the running server: every interface's if it listens at all of
// them, the network's before the loopback's. Unix sockets are returned as unix:PATH.
func (s *Server) URLs() []string {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	var urls []string
	seen := map[string]bool{}
	add := func(url string) {
		if !seen[url] {
			seen[url] = true
			urls = append(urls, url)
		}
	}
	for _, l := range s.listeners {
		switch a := l.Addr().(type) {
		case *net.UnixAddr:
			add("unix:" + a.Name)
		case *net.TCPAddr:
			hosts := []string{a.IP.String()}
			if a.IP.IsUnspecified() {
				hosts = HostAddresses()
			}
			for _, h := range hosts {
				add(scheme + "://" + net.JoinHostPort(h, strconv.Itoa(a.Port)))
			}
		}
	}
	return urls
}

// HostAddresses returns this machine's addresses for use in a browser: no link-local ones (they need a zone), IPv4 before IPv6,
// the loopback last.
func HostAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return []string{"localhost"}
	}
	var hosts []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			hosts = append(hosts, n.IP)
		}
	}
	sort.SliceStable(hosts, func(i, j int) bool { return hosts[i].To4() != nil && hosts[j].To4() == nil })
	var names []string
	for _, ip := range hosts {
		names = append(names, ip.String())
	}
	return append(names, "localhost")
}
