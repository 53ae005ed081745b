// Package accept keeps a listener accepting when resources such as file descriptors run out.
package accept

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Delays between attempts: short at first, as a descriptor may be freed soon, then long enough to cost nothing.
const (
	firstWait = 5 * time.Millisecond
	lastWait  = time.Second
)

// Patient wraps a listener so that Accept returns an error only if the listener is closed or broken. Any other failure is logged once
// (at warn level; a nil log disables logging) and retried; clients wait in the kernel's backlog meanwhile. Accept must not be called
// concurrently.
func Patient(l net.Listener, log *zap.Logger) net.Listener {
	if log == nil {
		log = zap.NewNop()
	}
	return &patient{Listener: l, log: log, closed: make(chan struct{})}
}

type patient struct {
	net.Listener
	log    *zap.Logger
	once   sync.Once
	closed chan struct{}
}

func (p *patient) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

func (p *patient) Accept() (net.Conn, error) {
	var since time.Time // first of the consecutive failures
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		conn, err := p.Listener.Accept()
		if err == nil {
			if !since.IsZero() {
				p.log.Info("accepting connections again", zap.Stringer("address", p.Addr()), zap.Duration("after", time.Since(since).Round(time.Millisecond)))
			}
			return conn, nil
		}
		if final(err) {
			return nil, err
		}
		if errors.Is(err, syscall.ECONNABORTED) { // the client disconnected before it was accepted; not an error
			wait = firstWait
			continue
		}
		if since.IsZero() {
			since = time.Now()
			p.log.Warn("cannot accept connections; clients wait"+hint(err), zap.Stringer("address", p.Addr()), zap.Error(err))
		}
		select {
		case <-time.After(wait):
		case <-p.closed:
			return nil, net.ErrClosed
		}
	}
}

// final reports whether retrying is pointless.
func final(err error) bool {
	for _, broken := range []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EOPNOTSUPP} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// hint returns advice for an error, if any.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return " (open file limit of this process reached; raise ulimit -n or LimitNOFILE=)"
	case errors.Is(err, syscall.ENFILE):
		return " (open file limit of the machine reached; raise fs.file-max)"
	}
	return ""
}
