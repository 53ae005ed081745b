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
	// dialTimeout limits one attempt to connect, so that a server that is back is found soon: the kernel's own attempts are 1, 2, 4 ... seconds apart.
	dialTimeout = 3 * time.Second
	idleTimeout = 2 * time.Minute
)

// newTransport returns a transport with one connection. It uses the environment's current proxies. HTTP/1.1 only: one picture per request gains
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
			return nil, fmt.Errorf("push: CA file %s: no certificate in it; it must be PEM (-----BEGIN CERTIFICATE-----)", caFile)
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
		// For servers that do not support Expect: 100-continue.
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // replies are a line of text
	}, nil
}

// newClient follows redirects that keep the picture.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}
}

// errRedirect is a redirect that cannot be followed, now or later.
var errRedirect = errors.New("stopped")

// checkRedirect lets 307 and 308 resend the picture, and 303 lead to the reply for an accepted one. 301 and 302 would become a GET without the
// picture: the reply is then the redirect itself, which Reply.Err explains.
func checkRedirect(next *http.Request, via []*http.Request) error {
	before := via[len(via)-1]
	if len(via) >= maxRedirects {
		return fmt.Errorf("%w after %d redirects, the last to %s", errRedirect, len(via), redacted(next.URL))
	}
	if before.URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fmt.Errorf("%w at %s: it redirects to %s, which is not encrypted; configure that URL to allow it", errRedirect,
			redacted(before.URL), redacted(next.URL))
	}
	if next.Method != before.Method && next.Response != nil && next.Response.StatusCode != http.StatusSeeOther {
		return http.ErrUseLastResponse
	}
	next.Header.Del("Referer") // net/http sets it to the URL with its query, which may contain tokens
	if next.URL.Hostname() != via[0].URL.Hostname() {
		maps.DeleteFunc(next.Header, func(name string, _ []string) bool { return !slices.Contains(ownHeaders, name) })
	}
	return nil
}

// ownHeaders are kept on redirects to other hosts: they identify the picture. Others, including the caller's, may be secrets.
var ownHeaders = []string{"Content-Type", "User-Agent", "Idempotency-Key", "X-Timestamp", "X-Sequence", "X-Device"}
