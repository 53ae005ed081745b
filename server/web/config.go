package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"
)

// Config is what a Server needs. The zero value of each field is usable.
type Config struct {
	// Listen is the addresses to serve at, host:port. nil: DefaultListen, unless Unix, Listeners or SocketActivation say where.
	Listen []string
	// DefaultListen is where to serve when nothing else says; "": ":8000".
	DefaultListen string
	// Unix is the path of a Unix socket to serve at, too; "": none. A socket left behind there by a dead server is replaced.
	Unix string
	// UnixMode and UnixGroup are those of the socket at Unix; 0 and "": as the system makes it.
	UnixMode  fs.FileMode
	UnixGroup string
	// Listeners are served, too, and closed with the Server.
	Listeners []net.Listener
	// SocketActivation serves at the sockets that systemd hands over (LISTEN_FDS), if there are any; Listen's default is then not used.
	SocketActivation bool
	// MaxClients is how many viewers Admit gives a place at once; 0: no limit.
	MaxClients int
	// StallTimeout is how long a client may take for a reply, if its handler sets no other deadline. 0: 10 s.
	StallTimeout time.Duration
	// CORS is the origin whose pages may read everything here, "*" for all; "": none.
	CORS string
	// Hosts are names that the server answers to without authentication, besides addresses, localhost, names of this machine, of its certificate, and of
	// multicast DNS (*.local). With authentication it answers to all.
	Hosts []string
	// Control says who may change things; "": ControlOpen.
	Control Control
	// FrameAncestors are origins, https://page.example, whose pages may show ours within them; "*": all. Without them only pages of this server may.
	FrameAncestors []string
	// TrustedProxies are addresses, networks (10.0.0.0/8), and "unix" for whoever connects to a Unix socket, whose X-Forwarded-For and
	// X-Forwarded-Proto count.
	TrustedProxies []string
	// Hints say what to configure otherwise; they are appended to refusals. "": nothing.
	Hints Hints
	// AuthFile has user:bcrypt lines (htpasswd -B), TokenFile a token a line. With one of them, only who has one is allowed in; /healthz
	// is always open.
	AuthFile, TokenFile string
	// TLSCert and TLSKey are PEM files; both or none.
	TLSCert, TLSKey string
	// Name is what the server is called at the login; "": maixstream.
	Name string
	// DeviceTokens lets a line of TokenFile have a device's name behind the token, which then sends pictures of that device only: see Device.
	DeviceTokens bool
	// Refuse writes the replies to requests that are refused (401, 403, 404, 405, 429, 503); nil: as plain text.
	Refuse func(w http.ResponseWriter, code int, text string)
	// Health returns why /healthz is to fail, or ErrStarting; nil: it does not. A nil func never fails.
	Health func() error
	// Log gets what an operator should know; nil: nothing.
	Log *zap.Logger
}

// Hints are of whoever configures a Server: how to allow an Origin, how to add a Host, who is allowed Control.
type Hints struct{ Origin, Host, Control string }

func (c *Config) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return fmt.Errorf("TLS needs a certificate and its key: only one of them is given (certificate %q, key %q)", c.TLSCert, c.TLSKey)
	case c.MaxClients < 0:
		return fmt.Errorf("at most %d clients: must not be negative", c.MaxClients)
	case c.StallTimeout < 0:
		return fmt.Errorf("stall timeout %v: must not be negative", c.StallTimeout)
	case c.Listen != nil && len(c.Listen)+len(c.Listeners) == 0 && c.Unix == "" && !c.SocketActivation:
		return errors.New("nowhere to listen: neither an address nor a Unix socket is given")
	}
	for _, address := range c.Listen {
		if _, port, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("listen at %s: %w (an address is host:port or :port)", address, err)
		} else if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("listen at %s: %w", address, err)
		}
	}
	if err := checkOrigin(c.CORS); err != nil {
		return err
	}
	if c.Control == "" {
		c.Control = ControlOpen
	}
	if err := c.Control.check(); err != nil {
		return err
	}
	for _, origin := range c.FrameAncestors {
		if err := checkOrigin(origin); err != nil || origin == "" {
			return fmt.Errorf("frame ancestor %q: must be an origin such as https://page.example, or *", origin)
		}
	}
	if c.DefaultListen == "" {
		c.DefaultListen = ":8000"
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return nil
}

// checkOrigin reports a CORS origin that no browser would ever send.
func checkOrigin(origin string) error {
	if origin == "" || origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("CORS origin %q: must be scheme://host[:port] without a path, such as https://page.example, or *", origin)
	}
	return nil
}
