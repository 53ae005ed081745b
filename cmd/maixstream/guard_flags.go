package main

import (
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/server/web"
)

// guardFlags restrict access; serve and receive share them.
type guardFlags struct {
	hosts, ancestors, proxies *[]string
	unixMode, unixGroup       *string
	cors, authFile, tokenFile *string
	tlsCert, tlsKey           *string
}

// addGuardFlags adds them to a verb's flags; readable is what --cors allows other pages to do.
func addGuardFlags(flags *pflag.FlagSet, readable string) *guardFlags {
	g := &guardFlags{}
	g.hosts = flags.StringSlice("host", nil, "without authentication, also answer requests for this host `NAME` (addresses and the machine's own names always are)")
	g.ancestors = flags.StringSlice("frame-ancestors", nil, "allow pages of these `ORIGIN`s to embed the page; *: any")
	g.proxies = flags.StringSlice("trusted-proxy", nil, "believe X-Forwarded-For and -Proto from this `ADDRESS` or network; unix: from the Unix socket")
	g.unixMode = flags.String("unix-mode", "", "`MODE` of the Unix socket, octal, such as 0660")
	g.unixGroup = flags.String("unix-group", "", "`GROUP` of the Unix socket, such as www-data")
	g.cors = flags.String("cors", "", "allow pages of this `ORIGIN` to "+readable+"; *: any")
	g.authFile = flags.String("auth-file", "", "require a user and password from this `FILE` of user:bcrypt lines (htpasswd -B)")
	g.tokenFile = flags.String("token-file", "", "accept the tokens in this `FILE` (one per line): Authorization: Bearer, or ?token=")
	g.tlsCert = flags.String("tls-cert", "", "serve HTTPS with this certificate `FILE` (PEM)")
	g.tlsKey = flags.String("tls-key", "", "the certificate's key `FILE` (PEM)")
	return g
}

// check reports flags that contradict each other or cannot mean anything.
func (g *guardFlags) check() error {
	if (*g.tlsCert == "") != (*g.tlsKey == "") {
		return usagef("--tls-cert and --tls-key must be given together")
	}
	for _, host := range *g.hosts {
		bare := strings.Trim(host, "[]")
		if at, err := netip.ParseAddrPort(host); err == nil {
			bare = at.Addr().String()
		}
		switch _, err := netip.ParseAddr(bare); {
		case err == nil: // other streamers' --host is the address to listen on: whoever means that must not be left with a server open to all
			return usagef("--host %s: must be a name, addresses are always answered; to listen on this address only: --listen %s", host, net.JoinHostPort(bare, "8000"))
		case host == "" || strings.ContainsAny(host, "/*, "):
			return usagef("--host %q: must be a host name such as camera.example", host)
		}
	}
	_, err := g.mode()
	return err
}

// mode returns --unix-mode; 0 is the system's default.
func (g *guardFlags) mode() (fs.FileMode, error) {
	if *g.unixMode == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(*g.unixMode, 8, 9)
	if err != nil || mode == 0 {
		return 0, usagef("--unix-mode %s: must be an octal mode such as 0660", *g.unixMode)
	}
	return fs.FileMode(mode), nil
}

func (g *guardFlags) apply(c *web.Config) {
	c.Hosts, c.FrameAncestors, c.TrustedProxies, c.UnixGroup = *g.hosts, *g.ancestors, *g.proxies, *g.unixGroup
	c.UnixMode, _ = g.mode() // validated by check
	c.CORS, c.AuthFile, c.TokenFile, c.TLSCert, c.TLSKey = *g.cors, *g.authFile, *g.tokenFile, *g.tlsCert, *g.tlsKey
	c.Hints = web.Hints{Origin: "--cors ORIGIN allows it", Host: "--host NAME allows another", Control: "see --control"}
}
