package push

import (
	"errors"
	"io"
	"net"
	"sync"
)

// loan lends a picture's memory to net/http, whose transport may read a request's body even when the reply is there already (a server that refuses
// before it has read everything). end waits until it does not.
type loan struct {
	segments [3][]byte // what a form has before the picture, the picture, what a form has behind it
	size     int64

	mu      sync.Mutex
	idle    sync.Cond
	readers int
	over    bool
	copied  int64 // bytes that went out through Read
}

func newLoan(head, data, tail []byte) *loan {
	l := &loan{segments: [3][]byte{head, data, tail}, size: int64(len(head) + len(data) + len(tail))}
	l.idle.L = &l.mu
	return l
}

var errOver = errors.New("push: the picture is no longer lent")

// open returns a reader from the beginning on: one for each time that the request is sent.
func (l *loan) open() (io.ReadCloser, error) {
	rest := make(net.Buffers, 0, len(l.segments))
	for _, s := range l.segments {
		if len(s) > 0 {
			rest = append(rest, s)
		}
	}
	return &lent{l, rest}, nil
}

// end returns when nobody reads any more, and nobody will. The request must have been cancelled or be through.
func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for l.readers > 0 {
		l.idle.Wait()
	}
}

func (l *loan) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errOver
	}
	l.readers++
	return nil
}

func (l *loan) leave(copied int) {
	l.mu.Lock()
	l.readers--
	l.copied += int64(copied)
	l.mu.Unlock()
	l.idle.Broadcast()
}

// lent is a request's body.
type lent struct {
	loan *loan
	rest net.Buffers
}

var _ io.WriterTo = (*lent)(nil)

// Read is the way through TLS, which has to make other bytes of them.
func (b *lent) Read(p []byte) (int, error) {
	if err := b.loan.enter(); err != nil {
		return 0, err
	}
	n, err := b.rest.Read(p)
	b.loan.leave(n)
	return n, err
}

// WriteTo writes everything straight from the borrowed memory; to a TCP connection with one system call.
func (b *lent) WriteTo(w io.Writer) (int64, error) {
	if err := b.loan.enter(); err != nil {
		return 0, err
	}
	defer b.loan.leave(0)
	return b.rest.WriteTo(w)
}

func (b *lent) Close() error { return nil }

// straightConn is a TCP connection that sends lent memory without the copy that net/http makes of a body with a known length: the transport hands the
// body to the connection's ReadFrom (meant for sendfile), wrapped in an io.LimitedReader.
type straightConn struct{ *net.TCPConn }

func (c straightConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*lent); ok {
			n, err := body.WriteTo(c.TCPConn)
			limited.N -= n
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
