package httpauth

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/maixstream/maixstream/internal/secretfile"
)

// Credentials is a user and password.
type Credentials struct{ User, Password string }

// Find returns the credentials for a URL: user:password in the first line of file that is neither empty nor a comment, or those in the URL itself, or nil.
func Find(u *url.URL, file string) (*Credentials, error) {
	if file == "" {
		if u.User == nil {
			return nil, nil
		}
		password, _ := u.User.Password()
		return &Credentials{u.User.Username(), password}, nil
	}
	text, err := secretfile.Text(file)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if !ok || user == "" {
			return nil, fmt.Errorf("credentials file %s: the first line must be user:password", file)
		}
		return &Credentials{user, password}, nil
	}
	return nil, fmt.Errorf("credentials file %s is empty", file)
}

// Transport returns a transport that answers a server's challenge with credentials and sends them unasked in later requests, but only to the scheme,
// host and port of site. With nil credentials it returns base. A request with a body needs GetBody. The result is safe for concurrent use.
func Transport(base http.RoundTripper, site *url.URL, c *Credentials) http.RoundTripper {
	if c == nil {
		return base
	}
	return &transport{base: base, scheme: site.Scheme, host: hostPort(site), credentials: *c}
}

type transport struct {
	base         http.RoundTripper
	scheme, host string
	credentials  Credentials

	digest Digest
	basic  atomic.Bool
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.scheme || hostPort(r.URL) != t.host || r.Header.Get("Authorization") != "" {
		return t.base.RoundTrip(r)
	}
	first := t.authorized(r)
	reply, err := t.base.RoundTrip(first)
	if err != nil || reply.StatusCode != http.StatusUnauthorized || !t.learn(reply.Header, first.Header.Get("Authorization")) {
		return reply, err
	}
	again := r
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return reply, nil
		}
		body, err := r.GetBody()
		if err != nil {
			return reply, nil //nolint:nilerr // the refusal is more useful than the reason we cannot answer it
		}
		again = r.Clone(r.Context())
		again.Body = body
	}
	_, _ = io.CopyN(io.Discard, reply.Body, 64<<10) // so that the connection can be reused
	_ = reply.Body.Close()
	return t.base.RoundTrip(t.authorized(again))
}

// authorized returns the request with credentials for the scheme the server is known to use.
func (t *transport) authorized(r *http.Request) *http.Request {
	shown := r.Clone(r.Context())
	if t.digest.Authorize(shown, t.credentials.User, t.credentials.Password) {
		return shown
	}
	if t.basic.Load() {
		shown.SetBasicAuth(t.credentials.User, t.credentials.Password)
		return shown
	}
	return r
}

// learn reads a refusal's challenges and reports whether a retry makes sense; sent is the refused request's Authorization.
func (t *transport) learn(header http.Header, sent string) bool {
	if find(header) != nil {
		return t.digest.Learn(header)
	}
	for _, value := range header.Values("WWW-Authenticate") {
		if scheme, _, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Basic") && !strings.HasPrefix(sent, "Basic ") {
			t.basic.Store(true)
			return true
		}
	}
	return false
}
