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

// Config configures a Server. The zero value of each field is usable.
type Config struct {
	// Listen is the addresses to serve at, host:port. nil: DefaultListen, unless Unix, Listeners or SocketActivation is set.
	Listen []string
	// DefaultListen is used if nothing else is configured; "": ":8000".
	DefaultListen string
	// Unix is the path of a Unix socket to serve at in addition; "": none. A stale socket at the path is replaced.
	Unix string
	// UnixMode and UnixGroup apply to the socket at Unix; 0 and "": the system's defaults.
	UnixMode  fs.FileMode
	UnixGroup string
	// Listeners are served in addition, and closed with the Server.
	Listeners []net.Listener
	// SocketActivation serves at the sockets passed by systemd (LISTEN_FDS), if any; DefaultListen is then not used.
	SocketActivation bool
	// MaxClients limits the viewers that Admit accepts at once; 0: no limit.
	MaxClients int
	// StallTimeout limits how long a client may take to read a reply, unless its handler sets another deadline. 0: 10 s.
	StallTimeout time.Duration
	// CORS is the origin whose pages may read everything, "*" for all; "": none.
	CORS string
	// Hosts are names the server answers to without authentication, in addition to addresses, localhost, names of this machine, of its certificate, and of
	// multicast DNS (*.local). With authentication it answers to all.
	Hosts []string
	// Control is who may change things; "": ControlOpen.
	Control Control
	// FrameAncestors are origins, https://page.example, whose pages may embed ours; "*": all. Without them only this server's pages may.
	FrameAncestors []string
	// TrustedProxies are addresses, networks (10.0.0.0/8), and "unix" for clients of a Unix socket, whose X-Forwarded-For and
	// X-Forwarded-Proto are used.
	TrustedProxies []string
	// Hints are appended to refusals and say what to configure. "": nothing.
	Hints Hints
	// AuthFile has user:bcrypt lines (htpasswd -B), TokenFile one token per line. If either is set, access requires one of them; /healthz
	// is always open.
	AuthFile, TokenFile string
	// TLSCert and TLSKey are PEM files; both or neither.
	TLSCert, TLSKey string
	// Name is the server's name on the login page; "": maixstream.
	Name string
	// DeviceTokens allows a device name after the token in a line of TokenFile; the token is then valid for that device's pictures only: see Device.
	DeviceTokens bool
	// Refuse writes the replies to refused requests (401, 403, 404, 405, 429, 503); nil: plain text.
	Refuse func(w http.ResponseWriter, code int, text string)
	// Health returns why /healthz should fail, or ErrStarting; nil: healthy. A nil func never fails.
	Health func() error
	// Log gets messages for the operator; nil disables logging.
	Log *zap.Logger
}

// Hints tell whoever configures a Server how to allow an Origin, how to add a Host, and how to allow Control.
type Hints struct{ Origin, Host, Control string }

func (c *Config) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return fmt.Errorf("TLS needs a certificate and its key, but only one of them is given (certificate %q, key %q)", c.TLSCert, c.TLSKey)
	case c.MaxClients < 0:
		return fmt.Errorf("max clients %d: must not be negative", c.MaxClients)
	case c.StallTimeout < 0:
		return fmt.Errorf("stall timeout %v: must not be negative", c.StallTimeout)
	case c.Listen != nil && len(c.Listen)+len(c.Listeners) == 0 && c.Unix == "" && !c.SocketActivation:
		return errors.New("nowhere to listen: no address or Unix socket configured")
	}
	for _, address := range c.Listen {
		if _, port, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("listen at %s: %w (must be host:port or :port)", address, err)
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

// checkOrigin returns an error for a CORS origin that no browser sends.
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
