// Package fanout sends each frame of a ring to many viewers.
//
// On Linux one goroutine serves all connections that are plain sockets (TCP, Unix). It takes their descriptors over from
// Go's network poller and waits on an epoll instance of its own. For each frame and each viewer that is
// ready it does one non-blocking send straight from the ring's slot: no copy, no allocation, no lock, no goroutine switch. A
// viewer that accepts only part of a frame keeps holding the slot and continues when its socket is writable.
//
// # Delay
//
// A viewer gets its next frame only once the previous one has been delivered: at most a few KiB of unsent data wait in its socket
// (TCP_NOTSENT_LOWAT), and the unacknowledged data must have fallen to what the path itself holds (its bandwidth times
// its minimum round-trip time) plus a small margin. It then gets the newest frame. So a slow link drops
// frames instead of delaying them, even if the queue that would grow is a router's.
//
// # Memory
//
// A viewer holds at most one slot, and only in the middle of a frame. When the ring runs short of free slots, unfinished
// frames are copied to memory of their viewers and the slots released, so that slow viewers never cost the others a
// frame. User memory is thus bounded by one frame per slow viewer, kernel memory by the socket's send buffer (SendBuffer).
//
// Connections that are not plain sockets (TLS), and all connections on other systems, are served by one goroutine each, which copies each
// frame before writing it, for the same reason.
package fanout

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// ErrClosed is returned by Add after Close.
var ErrClosed = errors.New("fan-out closed")

// Config configures a Fanout.
type Config struct {
	// Ring must have been made with Envelope.
	Ring *ring.Ring
	// StallTimeout is how long a viewer may accept nothing while data is pending before it is disconnected; checked once a second. 0: 10 s.
	StallTimeout time.Duration
}

// Fanout sends a ring's frames to viewers.
type Fanout struct {
	config Config
	loop   *loop // nil where unsupported

	ending context.Context // cancels portable viewers
	end    context.CancelFunc

	mu       sync.Mutex
	closed   bool
	portable map[*Viewer]net.Conn
	joined   sync.WaitGroup
}

// New starts a fan-out; it must be closed.
func New(c Config) (*Fanout, error) {
	if c.StallTimeout == 0 {
		c.StallTimeout = 10 * time.Second
	}
	f := &Fanout{config: c, portable: map[*Viewer]net.Conn{}}
	f.ending, f.end = context.WithCancel(context.Background())
	var err error
	if f.loop, err = startLoop(c); err != nil {
		return nil, err
	}
	return f, nil
}

// Add takes over conn, whose response headers and Preamble have been written, and sends it frames until it disconnects. On error conn is closed.
func (f *Fanout) Add(conn net.Conn, v *Viewer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return ErrClosed
	}
	if f.loop != nil {
		if taken, err := f.loop.add(conn, v); taken || err != nil {
			return err
		}
	}
	LimitUnsent(conn)
	f.portable[v] = conn
	f.joined.Add(1)
	go f.serve(conn, v)
	return nil
}

// Remove closes a viewer's connection, asynchronously. It does nothing if the viewer has left.
func (f *Fanout) Remove(v *Viewer) {
	v.dismissed.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn := f.portable[v]; conn != nil {
		conn.Close()
	} else if f.loop != nil {
		f.loop.dismiss()
	}
}

// Close closes all viewers' connections and joins all goroutines. It may be called twice.
func (f *Fanout) Close() {
	f.mu.Lock()
	f.closed = true
	f.end()
	for _, conn := range f.portable {
		conn.Close()
	}
	loop := f.loop
	f.mu.Unlock()
	if loop != nil {
		loop.close()
	}
	f.joined.Wait()
}
