package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/maixstream/maixstream/internal/secretfile"
)

// live is the part of the Config, and of its files, that can be replaced while running. It is immutable.
type live struct {
	auth       *auth // nil: access for everybody
	cors       string
	maxClients int
	cert       *tls.Certificate // nil: no TLS
	origins    *http.CrossOriginProtection
	control    Control
	hosts      []string
	proxies    proxies
	ancestors  string // as a Content-Security-Policy
}

// readLive creates it; old is the one it replaces, nil at first.
func readLive(c *Config, old *live) (*live, error) {
	l := &live{cors: c.CORS, maxClients: c.MaxClients, origins: http.NewCrossOriginProtection()}
	l.control = c.Control
	for _, host := range c.Hosts {
		l.hosts = append(l.hosts, hostOf(host))
	}
	l.ancestors = strings.Join(append([]string{"frame-ancestors 'self'"}, c.FrameAncestors...), " ")
	var err error
	if l.proxies, err = parseProxies(c.TrustedProxies); err != nil {
		return nil, err
	}
	if c.CORS != "" && c.CORS != "*" {
		if err := l.origins.AddTrustedOrigin(c.CORS); err != nil {
			return nil, fmt.Errorf("CORS origin %q: %w", c.CORS, err)
		}
	}
	var key []byte
	if old != nil && old.auth != nil {
		key = old.auth.key
	}
	if l.auth, err = newAuth(c.AuthFile, c.TokenFile, c.DeviceTokens, key); err != nil {
		return nil, err
	}
	if key != nil && l.auth != nil && old.auth.same(l.auth) {
		l.auth = old.auth // keeps sessions logged in
	}
	if c.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("TLS certificate %s with key %s: %w", c.TLSCert, c.TLSKey, err)
		}
		l.cert = &cert
	}
	return l, nil
}

// Reload applies AuthFile, TokenFile, TLSCert, TLSKey, CORS, MaxClients, Hosts, Control, FrameAncestors and TrustedProxies from c, and rereads
// those files; c's other fields are ignored. Existing connections stay open. On an error nothing changes. A configuration without authentication
// is rejected if the current one has it: a file truncated by a full disk must not open the server.
func (s *Server) Reload(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (s.live.Load().cert == nil) {
		return errors.New("turning TLS on or off requires a restart")
	}
	l, err := readLive(&c, s.live.Load())
	if err != nil {
		return err
	}
	if old := s.live.Load(); old.auth != nil && l.auth == nil {
		return errors.New("the new configuration has no authentication, but the current one has; removing it requires a restart")
	}
	s.live.Store(l)
	secretfile.Warn(s.config.Log, c.AuthFile, c.TokenFile, c.TLSKey)
	return nil
}
