package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// sharedConn presents the body of a reply as a viewer's connection: over HTTP/2 a stream shares its connection, which cannot be
// hijacked. The handler must not return before Close was called.
type sharedConn struct {
	w       http.ResponseWriter
	control *http.ResponseController
	under   net.Conn // underlying connection; nil: unknown
	ctx     context.Context
	cancel  context.CancelFunc
	timeout time.Time // of writes
}

func newSharedConn(w http.ResponseWriter, r *http.Request, under net.Conn) *sharedConn {
	ctx, cancel := context.WithCancel(r.Context())
	if t, ok := under.(*tls.Conn); ok {
		under = t.NetConn()
	}
	return &sharedConn{w: w, control: http.NewResponseController(w), under: under, ctx: ctx, cancel: cancel}
}

// Read blocks until the viewer has gone: viewers send nothing.
func (c *sharedConn) Read([]byte) (int, error) {
	<-c.ctx.Done()
	return 0, c.ctx.Err() // io.EOF would mean that only the sending half is closed
}

// Write sends b immediately.
func (c *sharedConn) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err == nil {
		err = c.control.Flush()
	}
	if err != nil && !c.timeout.IsZero() && !time.Now().Before(c.timeout) {
		err = os.ErrDeadlineExceeded // HTTP/2 reports only that the stream was closed
	}
	return n, err
}

func (c *sharedConn) Close() error {
	c.cancel()
	return nil
}

func (c *sharedConn) SetWriteDeadline(t time.Time) error {
	c.timeout = t
	return c.control.SetWriteDeadline(t)
}

func (c *sharedConn) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

func (c *sharedConn) SetDeadline(t time.Time) error { return c.SetWriteDeadline(t) }

func (c *sharedConn) LocalAddr() net.Addr  { return sharedAddr{} }
func (c *sharedConn) RemoteAddr() net.Addr { return sharedAddr{} }

// SyscallConn returns the underlying connection's, from which the fan-out reads the queue length.
func (c *sharedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.under.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

type sharedAddr struct{}

func (sharedAddr) Network() string { return "h2" }
func (sharedAddr) String() string  { return "h2" }

var (
	_ net.Conn     = (*sharedConn)(nil)
	_ syscall.Conn = (*sharedConn)(nil)
)
