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

// settled is how long there must be no failure before recovery is logged: at the limit, each connection that ends lets one more in.
const settled = 2 * lastWait

// Patient wraps a listener so that Accept returns an error only if the listener is closed or broken. Any other failure is logged once
// (at warn level; a nil log disables logging) and retried until it has not occurred for two seconds, which is logged, too; clients wait in the
// kernel's backlog meanwhile. Accept must not be called concurrently.
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

	mu       sync.Mutex
	since    time.Time   // first failure of the present trouble; zero: none
	recovery *time.Timer // logs its end; nil: it lasts
}

func (p *patient) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.recovery != nil {
			p.recovery.Stop()
		}
	})
	return p.Listener.Close()
}

func (p *patient) Accept() (net.Conn, error) {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		conn, err := p.Listener.Accept()
		if err == nil {
			p.succeeded()
			return conn, nil
		}
		if final(err) {
			return nil, err
		}
		if errors.Is(err, syscall.ECONNABORTED) { // the client disconnected before it was accepted; not an error
			wait = firstWait
			continue
		}
		p.failed(err)
		select {
		case <-time.After(wait):
		case <-p.closed:
			return nil, net.ErrClosed
		}
	}
}

// failed logs a failure, unless it continues the last one.
func (p *patient) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recovery != nil {
		p.recovery.Stop()
		p.recovery = nil
	}
	if p.since.IsZero() {
		p.since = time.Now()
		p.log.Warn("cannot accept connections; clients wait"+hint(err), zap.Stringer("address", p.Addr()), zap.Error(err))
	}
}

// succeeded lets the end of the failures be logged unless there is another one soon.
func (p *patient) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() || p.recovery != nil {
		return
	}
	lasted := time.Since(p.since)
	var recovery *time.Timer
	recovery = time.AfterFunc(settled, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.recovery != recovery {
			return // failed again meanwhile
		}
		p.since, p.recovery = time.Time{}, nil
		p.log.Info("accepting connections again", zap.Stringer("address", p.Addr()), zap.Duration("after", lasted.Round(time.Millisecond)))
	})
	p.recovery = recovery
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
