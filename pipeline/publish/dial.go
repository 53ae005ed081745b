//go:build !nopublish

package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// connect connects to a target by its protocol.
func (p *Publisher) connect(ctx context.Context, t *target) (connection, error) {
	var secure *tls.Config
	if t.secure() {
		secure = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.roots, ServerName: t.url.Hostname()}
	}
	d := dialer{target: t, tls: secure, stall: p.config.StallTimeout}
	if t.url.Scheme == "rtmp" || t.url.Scheme == "rtmps" {
		return connectRTMP(ctx, d)
	}
	return connectRTSP(ctx, d)
}

// dialer connects to a target's server.
type dialer struct {
	target *target
	tls    *tls.Config // nil: not encrypted
	stall  time.Duration
}

// dial connects, and with TLS shakes hands. A write to the connection ends after the stall timeout.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	tcp := net.Dialer{Control: limitUnsent}
	raw, err := tcp.DialContext(ctx, "tcp", d.target.address())
	if err != nil {
		return nil, err
	}
	conn := net.Conn(&stallConn{raw, d.stall})
	if d.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			err = fmt.Errorf("no TLS at this port: %w", err)
		}
		return nil, err
	}
	return &secureConn{secure, raw}, nil
}

// secureConn closes without a farewell, which could block.
type secureConn struct {
	*tls.Conn
	raw net.Conn
}

func (c *secureConn) Close() error { return c.raw.Close() }

// stallConn bounds how long a write may take.
type stallConn struct {
	net.Conn
	stall time.Duration
}

// piece is how much of a write has the stall timeout for itself, so that a link may be slow.
const piece = 16 << 10

func (c *stallConn) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.stall))
		var n int
		n, err = c.Conn.Write(b[written:min(len(b), written+piece)])
		written += n
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the server has taken nothing for %v: %w", c.stall, err)
	}
	return written, err
}

// SetWriteDeadline does nothing: the deadline is the connection's own.
func (*stallConn) SetWriteDeadline(time.Time) error { return nil }
