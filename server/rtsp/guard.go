package rtsp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// sayEvery is how often refusals are logged, however many there are.
const sayEvery = time.Minute

// guard bounds the connections: how many there are, of one address too, and how long one may be silent at first. gortsplib sets a deadline
// only once the first four bytes have come.
type guard struct {
	most, mostPerAddress int
	first                time.Duration
	refused              atomic.Uint64

	mu        sync.Mutex
	conns     map[string]*conn // by both ends' addresses
	addresses map[netip.Addr]int
	said      time.Time
	unsaid    int
}

// conn is a connection that its guard counts until it is closed.
type conn struct {
	net.Conn
	guard  *guard
	key    string
	sender netip.Addr
	local  netip.Addr

	writing sync.Mutex // one message goes out after the other

	mu       sync.Mutex
	deadline time.Time // until the first request has come; zero afterwards
	closed   bool
	written  func() // called once after the next write
}

// admit counts a connection, or says why it is over a limit.
func (g *guard) admit(accepted net.Conn) (c *conn, refusal string) {
	from, to := addressOf(accepted.RemoteAddr()), addressOf(accepted.LocalAddr())
	sender := senderOf(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.conns) >= g.most:
		refusal = fmt.Sprintf("%d connections are open, which is all that are allowed", len(g.conns))
	case g.addresses[sender] >= g.mostPerAddress:
		refusal = fmt.Sprintf("%d connections from this address are open, which is all that are allowed", g.addresses[sender])
	}
	if refusal != "" {
		g.refused.Add(1)
		return nil, refusal
	}
	c = &conn{Conn: accepted, guard: g, key: keyOf(accepted), sender: sender, local: to, deadline: time.Now().Add(g.first)}
	g.conns[c.key] = c
	g.addresses[sender]++
	_ = accepted.SetReadDeadline(c.deadline)
	return c, ""
}

// say logs a refusal, at most once in sayEvery.
func (g *guard) say(log *zap.Logger, refusal string, from net.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.said.IsZero() && time.Since(g.said) < sayEvery {
		g.unsaid++
		return
	}
	log.Warn("rtsp: connection refused", zap.Stringer("from", from), zap.String("reason", refusal), zap.Int("others_since_the_last_line", g.unsaid))
	g.said, g.unsaid = time.Now(), 0
}

func (g *guard) open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// asked says that a request has come on the connection below c: below TLS and gortsplib's tunnels.
func (g *guard) asked(c net.Conn) {
	g.mu.Lock()
	below := g.conns[keyOf(c)]
	g.mu.Unlock()
	if below != nil {
		below.asked()
	}
}

func (c *conn) asked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = time.Time{}
}

// SetReadDeadline is not later than that of the first request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && (t.IsZero() || t.After(c.deadline)) {
		t = c.deadline
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		c.guard.mu.Lock()
		if c.guard.conns[c.key] == c {
			delete(c.guard.conns, c.key)
		}
		if c.guard.addresses[c.sender]--; c.guard.addresses[c.sender] <= 0 {
			delete(c.guard.addresses, c.sender)
		}
		c.guard.mu.Unlock()
	}
	return c.Conn.Close()
}

// afterWrite calls f once, when the next write has ended.
func (c *conn) afterWrite(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = f
}

// Write tells who waits for it that it has ended.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	return c.finish(b)
}

// finish is the end of Write, for who holds writing.
func (c *conn) finish(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.writing.Unlock()
	c.mu.Lock()
	f := c.written
	c.written = nil
	c.mu.Unlock()
	if f != nil {
		f()
	}
	return n, err
}

func keyOf(c net.Conn) string { return c.RemoteAddr().String() + " " + c.LocalAddr().String() }

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// senderOf is what limits per address count together: an IPv4 address, or a network of IPv6, which has one owner.
func senderOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		network, _ := a.WithZone("").Prefix(64)
		return network.Addr()
	}
	return a
}
