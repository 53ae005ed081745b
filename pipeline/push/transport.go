package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

const (
	// dialTimeout bounds one attempt to connect, so that a server that comes back is found soon: the kernel's own attempts are 1, 2, 4 ... seconds apart.
	dialTimeout = 3 * time.Second
	idleTimeout = 2 * time.Minute
)

// newTransport makes a transport of one connection. Proxies are those of the environment at this moment. HTTP/1.1 only: a picture a request gains
// nothing from HTTP/2, and its frames would cost a copy.
func newTransport(caFile string, control controlFunc) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("push: CA file: %w", err)
		}
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			config.RootCAs = x509.NewCertPool()
		}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("push: CA file %s: no certificate in it: it must be PEM (-----BEGIN CERTIFICATE-----)", caFile)
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: control}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if tcp, ok := conn.(*net.TCPConn); ok {
				return straightConn{tcp}, nil
			}
			return conn, err
		},
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     1,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     idleTimeout,
		// For servers that do not know Expect: 100-continue.
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // a reply is a line of text
	}, nil
}

// newClient follows redirects as far as they keep the picture.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}
}

// errRedirect: a redirect that leads nowhere, now and later.
var errRedirect = errors.New("stopped")

// checkRedirect lets 307 and 308 take the picture along, and 303 lead to the reply of one that was taken. 301 and 302 would become a GET without the
// picture: the reply is then the redirect itself, which Reply.Err explains.
func checkRedirect(next *http.Request, via []*http.Request) error {
	before := via[len(via)-1]
	if len(via) >= maxRedirects {
		return fmt.Errorf("%w after %d redirects, the last to %s", errRedirect, len(via), redacted(next.URL))
	}
	if before.URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fmt.Errorf("%w at %s, which redirects to %s, which is not encrypted: give that URL if it is wanted", errRedirect, redacted(before.URL), redacted(next.URL))
	}
	if next.Method != before.Method && next.Response != nil && next.Response.StatusCode != http.StatusSeeOther {
		return http.ErrUseLastResponse
	}
	next.Header.Del("Referer") // net/http puts the URL there with its query, in which tokens travel
	if next.URL.Hostname() != via[0].URL.Hostname() {
		maps.DeleteFunc(next.Header, func(name string, _ []string) bool { return !slices.Contains(ownHeaders, name) })
	}
	return nil
}

// ownHeaders go along when a redirect leads to another host: what says which picture it is. Others, the caller's among them, may be secrets.
var ownHeaders = []string{"Content-Type", "User-Agent", "Idempotency-Key", "X-Timestamp", "X-Sequence", "X-Device"}
