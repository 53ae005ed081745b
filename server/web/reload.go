package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
)

// live is the part of the Config, and of the files that it names, that a running server can exchange. It is never written, only replaced.
type live struct {
	auth       *auth // nil: everybody may
	cors       string
	maxClients int
	cert       *tls.Certificate // nil: no TLS
	origins    *http.CrossOriginProtection
}

// readLive makes it; old is what it replaces, nil at first.
func readLive(c *Config, old *live) (*live, error) {
	l := &live{cors: c.CORS, maxClients: c.MaxClients, origins: http.NewCrossOriginProtection()}
	var err error
	if c.CORS != "" && c.CORS != "*" {
		if err := l.origins.AddTrustedOrigin(c.CORS); err != nil {
			return nil, fmt.Errorf("CORS origin %q: %w", c.CORS, err)
		}
	}
	var key []byte
	if old != nil && old.auth != nil {
		key = old.auth.key
	}
	if l.auth, err = newAuth(c.AuthFile, c.TokenFile, key); err != nil {
		return nil, err
	}
	if key != nil && l.auth != nil && old.auth.same(l.auth) {
		l.auth = old.auth // whoever is logged in stays so
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

// Reload takes AuthFile, TokenFile, TLSCert, TLSKey, CORS and MaxClients from c, and reads the files that it names again; c's other
// fields are not looked at. Who is connected already stays connected. On an error nothing has changed: whoever had to give a
// password before still has to.
func (s *Server) Reload(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (s.live.Load().cert == nil) {
		return errors.New("TLS cannot be switched on or off while addresses are served: start again")
	}
	l, err := readLive(&c, s.live.Load())
	if err != nil {
		return err
	}
	s.live.Store(l)
	return nil
}
