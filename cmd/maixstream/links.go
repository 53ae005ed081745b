package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/internal/links"
)

func setupLinks(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	code := choice("auto", "yes", "no")
	flags.Var(code, "qr", "draw the page's address as a QR code for a phone; auto: on a terminal")
	asJSON := flags.Bool("json", false, "print JSON")
	insecure := flags.Bool("insecure", false, "accept any certificate, such as a self-signed one")
	return func(ctx context.Context, args []string, t terminal) error {
		if len(args) > 1 {
			return usagef("one URL, not %d", len(args))
		}
		text := "http://localhost:8000/"
		if len(args) == 1 {
			text = args[0]
		}
		base, err := serverURL(text)
		if err != nil {
			return err
		}
		server, note, err := askServer(ctx, base, *insecure)
		if err != nil {
			return err
		}
		if base.Hostname() == "localhost" || net.ParseIP(base.Hostname()).IsLoopback() {
			server.Base.Host = reachable(ctx, net.JoinHostPort(ownAddress(), portOr(base)), server.Base.Host)
		}
		list := links.Of(server)
		if *asJSON {
			return json.NewEncoder(t.out).Encode(list)
		}
		printLinks(t.out, list)
		if note != "" {
			fmt.Fprintln(t.err, note)
		}
		if code.value == "yes" || code.value == "auto" && isTerminal(t.out) {
			return links.WriteQR(t.out, list[0].Text)
		}
		return nil
	}
}

// serverURL parses a server given as a URL, or only host and port.
func serverURL(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
		if u, err := url.Parse(full); err == nil && u.Port() == "" {
			u.Host += ":8000"
			full = u.String()
		}
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("%q: want the URL of a running maixstream, such as http://maixcam.local:8000", text)
	}
	return u, nil
}

func portOr(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// askServer asks a running server what it serves. note describes what remains unknown.
func askServer(ctx context.Context, base *url.URL, insecure bool) (server links.Server, note string, err error) {
	shown := *base
	server.Base = &shown
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	at := *base
	at.Path = strings.TrimSuffix(at.Path, "/") + "/state"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return server, "", usagef("%s: %w", base.Redacted(), err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: insecure}}} //nolint:gosec // on request
	defer client.CloseIdleConnections()
	reply, err := client.Do(request)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return server, "", fmt.Errorf("nothing answers at %s: start maixstream there, or name another URL (maixstream find lists those of the network): %w",
			base.Redacted(), err)
	}
	defer reply.Body.Close()
	if reply.StatusCode == http.StatusUnauthorized {
		return server, "The server requires a password, so its RTSP is unknown; try maixstream links http://USER:PASSWORD@HOST:8000.", nil
	}
	var state struct {
		Name string `json:"name"`
		RTSP []struct {
			Address string `json:"address"`
			TLS     bool   `json:"tls"`
		} `json:"rtsp"`
		H264 struct {
			Available bool `json:"available"`
		} `json:"h264"`
		Server *json.RawMessage `json:"server"`
	}
	if err := json.NewDecoder(io.LimitReader(reply.Body, 1<<20)).Decode(&state); err != nil || reply.StatusCode != http.StatusOK || state.Server == nil {
		return server, "", fmt.Errorf("the server at %s is not maixstream serve (%s)", base.Redacted(), reply.Status)
	}
	server.Name, server.H264 = state.Name, state.H264.Available
	for _, r := range state.RTSP {
		if r.TLS {
			server.RTSPS = r.Address
		} else {
			server.RTSP = r.Address
		}
	}
	return server, "", nil
}

// printLinks writes names and texts in two columns; further lines of a text are aligned with its first.
func printLinks(w io.Writer, list []links.Link) {
	const column = 16
	for _, l := range list {
		fmt.Fprintf(w, "%-*s%s\n", column, l.Name, strings.ReplaceAll(l.Text, "\n", "\n"+strings.Repeat(" ", column)))
	}
}

// reachable returns address, which other machines can use, if something listens there, else loopback: a server may listen on that only.
func reachable(ctx context.Context, address, loopback string) string {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return loopback
	}
	_ = connection.Close()
	return address
}

// ownAddress returns the address of this machine that others can most probably reach, "localhost" if there is none.
func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "localhost"
	}
	best := "localhost"
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if !ok || !n.IP.IsGlobalUnicast() {
			continue
		}
		if n.IP.To4() != nil {
			return n.IP.String()
		}
		best = n.IP.String()
	}
	return best
}

// printAddresses prints where to watch: each address of the page on its own line, and on a terminal the other addresses
// and a QR code for a phone.
func (s *serveFlags) printAddresses(w io.Writer, urls []string, h264 func() bool) {
	for _, u := range urls {
		fmt.Fprintln(w, u)
	}
	if !isTerminal(w) || len(urls) == 0 {
		return
	}
	base, err := url.Parse(urls[0])
	if err != nil || base.Host == "" { // Unix socket
		return
	}
	list := links.Addresses(links.Server{Base: base, RTSP: *s.rtsp, RTSPS: *s.rtsps, H264: h264()})
	fmt.Fprintln(w)
	printLinks(w, list)
	if ip := net.ParseIP(base.Hostname()); base.Hostname() != "localhost" && !ip.IsLoopback() {
		_ = links.WriteQR(w, list[0].Text) // addresses always fit into a QR code
	}
	fmt.Fprintf(w, "maixstream links %s prints settings for OctoPrint, Home Assistant, go2rtc and others.\n\n", base.Host)
}
