package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/rtsp"
)

// Config is what a Server needs. The zero value of each field but Feed is usable.
type Config struct {
	Feed Feed
	// Listen is the addresses to serve at, host:port. nil: DefaultListen, unless Unix, Listeners or SocketActivation say where.
	Listen []string
	// DefaultListen is where to serve when nothing else says; "": ":8000".
	DefaultListen string
	// Unix is the path of a Unix socket to serve at, too; "": none. A socket left behind there by a dead server is replaced.
	Unix string
	// Listeners are served, too, and closed with the Server.
	Listeners []net.Listener
	// SocketActivation serves at the sockets that systemd hands over (LISTEN_FDS), if there are any; Listen's default is then not used.
	SocketActivation bool
	// MaxClients is how many viewers /stream takes at once; 0: no limit.
	MaxClients int
	// StallTimeout closes a viewer that takes nothing for so long. 0: 10 s.
	StallTimeout time.Duration
	// HTML is the page at /; nil: the built-in one. It is read only.
	HTML []byte
	// CORS is the origin whose pages may read everything here, "*" for all; "": none.
	CORS string
	// AuthFile has user:bcrypt lines (htpasswd -B), TokenFile a token a line. With one of them, only who has one gets in; /healthz is
	// open always.
	AuthFile, TokenFile string
	// TLSCert and TLSKey are PEM files; both or none.
	TLSCert, TLSKey string
	// Recording, when not nil, is what the page can switch on and off. Who made it closes it.
	Recording *record.Switch
	// Pushes tells /state what pushes of the same feed do; nil: there are none.
	Pushes func() []push.State
	// RTSP tells /state how the RTSP servers of the same feed are; nil: there are none.
	RTSP func() []rtsp.State
	// Routes, when there are any, are all that is served, with /healthz; Feed must be nil then.
	Routes []Route
	// Refuse writes the replies to requests that nothing else answers (401, 404, 405); nil: as plain text.
	Refuse func(w http.ResponseWriter, code int, text string)
	// Version is shown by /state.
	Version string
	// Log gets what an operator should know; nil: nothing.
	Log *zap.Logger
}

func (c *Config) check() error {
	switch {
	case (c.Feed == nil) == (c.Routes == nil):
		return errors.New("server: no feed: one of Config.Feed and Config.Routes must be set")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return fmt.Errorf("server: TLS needs a certificate and its key: only one of them is given (certificate %q, key %q)", c.TLSCert, c.TLSKey)
	case c.MaxClients < 0:
		return fmt.Errorf("server: at most %d clients: must not be negative", c.MaxClients)
	case c.StallTimeout < 0:
		return fmt.Errorf("server: stall timeout %v: must not be negative", c.StallTimeout)
	case c.Listen != nil && len(c.Listen)+len(c.Listeners) == 0 && c.Unix == "" && !c.SocketActivation:
		return errors.New("server: nowhere to listen: neither an address nor a Unix socket is given")
	}
	for _, address := range c.Listen {
		if _, port, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("server: listen at %s: %w (an address is host:port or :port)", address, err)
		} else if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("server: listen at %s: %w", address, err)
		}
	}
	if err := checkOrigin(c.CORS); err != nil {
		return err
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
		return fmt.Errorf("server: CORS origin %q: must be scheme://host[:port] without a path, such as https://page.example, or *", origin)
	}
	return nil
}
