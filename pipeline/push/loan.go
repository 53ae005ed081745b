package push

import (
	"errors"
	"io"
	"net"
	"sync"
)

// loan lends a picture's memory to net/http, whose transport may still read a request's body when the reply has arrived (a server may refuse
// before it has read everything). end waits until it no longer does.
type loan struct {
	segments [3][]byte // the form's header, the picture, the form's trailer
	size     int64
	progress func() // called when bytes have gone out; may be nil

	mu      sync.Mutex
	idle    sync.Cond
	readers int
	over    bool
	copied  int64 // bytes sent through Read
}

func newLoan(head, data, tail []byte) *loan {
	l := &loan{segments: [3][]byte{head, data, tail}, size: int64(len(head) + len(data) + len(tail))}
	l.idle.L = &l.mu
	return l
}

// pieceBytes is how much is written at once: most pictures whole, larger ones in pieces, so that progress shows.
const pieceBytes = 256 << 10

var errOver = errors.New("push: the request has ended")

// open returns a reader from the start: one for each time the request is sent.
func (l *loan) open() (io.ReadCloser, error) {
	rest := make(net.Buffers, 0, len(l.segments))
	for _, s := range l.segments {
		for ; len(s) > pieceBytes; s = s[pieceBytes:] {
			rest = append(rest, s[:pieceBytes])
		}
		if len(s) > 0 {
			rest = append(rest, s)
		}
	}
	return &loanReader{l, rest}, nil
}

// end returns when nothing reads the memory any more. The request must have finished or been cancelled.
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

func (l *loan) progressed() {
	if l.progress != nil {
		l.progress()
	}
}

func (l *loan) leave(copied int) {
	l.mu.Lock()
	l.readers--
	l.copied += int64(copied)
	l.mu.Unlock()
	l.idle.Broadcast()
}

// loanReader is a request's body.
type loanReader struct {
	loan *loan
	rest net.Buffers
}

var _ io.WriterTo = (*loanReader)(nil)

// Read is used with TLS, which encrypts a copy.
func (b *loanReader) Read(p []byte) (int, error) {
	if err := b.loan.enter(); err != nil {
		return 0, err
	}
	b.loan.progressed()
	n, err := b.rest.Read(p)
	b.loan.leave(n)
	return n, err
}

// WriteTo writes everything straight from the lent memory, to a TCP connection with one system call for up to pieceBytes.
func (b *loanReader) WriteTo(w io.Writer) (n int64, err error) {
	if err := b.loan.enter(); err != nil {
		return 0, err
	}
	defer b.loan.leave(0)
	for len(b.rest) > 0 && err == nil {
		count, size := 1, len(b.rest[0])
		for count < len(b.rest) && size+len(b.rest[count]) <= pieceBytes {
			size += len(b.rest[count])
			count++
		}
		piece := b.rest[:count:count]
		b.rest = b.rest[count:]
		var m int64
		m, err = piece.WriteTo(w)
		n += m
		b.loan.progressed()
	}
	return n, err
}

func (b *loanReader) Close() error { return nil }

// straightConn is a TCP connection that sends lent memory without the copy net/http makes of a body of known length: the transport passes the
// body to the connection's ReadFrom (meant for sendfile), wrapped in an io.LimitedReader.
type straightConn struct{ *net.TCPConn }

func (c straightConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*loanReader); ok {
			n, err := body.WriteTo(c.TCPConn)
			limited.N -= n
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
