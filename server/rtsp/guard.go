package rtsp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/internal/piecewise"
)

// logEvery is the shortest time between two log lines about refusals.
const logEvery = time.Minute

// guard limits the connections, in total and per address, and how long each may take to send its first request. gortsplib sets a deadline
// only after the first four bytes.
type guard struct {
	most, mostPerAddress int
	first                time.Duration
	stall                time.Duration // see conn.put
	refused              atomic.Uint64

	mu         sync.Mutex
	conns      map[string]*conn // by both ends' addresses
	addresses  map[netip.Addr]int
	logged     time.Time
	suppressed int
}

// conn is a connection that its guard counts until it is closed.
type conn struct {
	net.Conn
	guard  *guard
	key    string
	sender netip.Addr
	local  netip.Addr

	writing sync.Mutex // held for one whole message

	mu       sync.Mutex
	deadline time.Time // for the first request; zero once it has arrived
	closed   bool
	until    time.Time // deadline of writes; zero: only that of each piece
	written  func()    // called once after the next write
}

// admit counts a connection, or returns which limit it exceeds.
func (g *guard) admit(accepted net.Conn) (c *conn, refusal string) {
	from, to := addressOf(accepted.RemoteAddr()), addressOf(accepted.LocalAddr())
	sender := senderOf(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.conns) >= g.most:
		refusal = fmt.Sprintf("connection limit reached: %d", len(g.conns))
	case g.addresses[sender] >= g.mostPerAddress:
		refusal = fmt.Sprintf("limit of connections per address reached: %d", g.addresses[sender])
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

// logRefusal logs a refusal, at most once per logEvery.
func (g *guard) logRefusal(log *zap.Logger, refusal string, from net.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.logged.IsZero() && time.Since(g.logged) < logEvery {
		g.suppressed++
		return
	}
	log.Warn("rtsp: connection refused", zap.Stringer("from", from), zap.String("reason", refusal), zap.Int("suppressed", g.suppressed))
	g.logged, g.suppressed = time.Now(), 0
}

func (g *guard) open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// asked records a request on the connection underlying c, below TLS and gortsplib's tunnels.
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

// SetReadDeadline caps t at the deadline for the first request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && (t.IsZero() || t.After(c.deadline)) {
		t = c.deadline
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline sets both deadlines as SetReadDeadline and SetWriteDeadline do.
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

// afterWrite calls f once, after the next write.
func (c *conn) afterWrite(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = f
}

// SetWriteDeadline ignores deadlines for a whole message, which are the stall timeout: put limits each piece instead. Shorter ones hold, such as that of TLS's
// last message.
func (c *conn) SetWriteDeadline(t time.Time) error {
	left := time.Until(t)
	if !t.IsZero() && left > c.guard.stall/2 {
		return nil
	}
	c.mu.Lock()
	c.until = t
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

// put writes b, with a deadline for each piece: a slow but steady reader gets all of a large key frame, and one that reads nothing is noticed.
func (c *conn) put(b []byte) (written int, err error) {
	return piecewise.Write(c.Conn, b, c.extend)
}

// extend gives the next piece its deadline: the stall timeout, or a shorter one that was set.
func (c *conn) extend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := time.Now().Add(c.guard.stall)
	if !c.until.IsZero() && c.until.Before(limit) {
		limit = c.until
	}
	return c.Conn.SetWriteDeadline(limit)
}

// Write writes b and then calls the function set by afterWrite, if any.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	return c.finish(b)
}

// finish is the rest of Write, for a caller that holds c.writing.
func (c *conn) finish(b []byte) (int, error) {
	n, err := c.put(b)
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

// senderOf returns what the limits per address count as one: an IPv4 address, or an IPv6 /64 network, which has one owner.
func senderOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		network, _ := a.WithZone("").Prefix(64)
		return network.Addr()
	}
	return a
}
