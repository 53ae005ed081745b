// Package fanout sends each frame of a ring to many viewers.
//
// On Linux one goroutine serves all connections that are plain sockets (TCP, Unix). It owns their descriptors, which it takes from
// Go's network poller, and waits in an epoll of its own; the ring wakes it through an eventfd. For each frame and each viewer that is
// ready it does one non-blocking send straight from the ring's slot: no copy, no allocation, no lock, no goroutine switch. A
// viewer that takes only part of a frame keeps a hold on the slot and goes on when its socket has room.
//
// # Delay
//
// A viewer gets its next frame only once the one before has left: at most a few KiB of unsent data wait in its socket
// (TCP_NOTSENT_LOWAT), and what is on its way and not acknowledged must have fallen to what the path itself can hold (its bandwidth times
// its least round-trip time) and a little more. What it gets then is the newest frame. So a slow link thins the
// frames out and does not age them, also where the queue that would grow is a router's.
//
// # Memory
//
// A viewer holds at most one slot, and only while it is in the middle of a frame. When the ring runs short of free slots, unfinished
// frames are copied to memory of their viewers and the slots given back, so that slow viewers never cost the others a
// frame. User memory is thus bounded by one frame a slow viewer; kernel memory by the socket's send buffer (SendBuffer).
//
// Connections that are not plain sockets (TLS), and all connections on other systems, are served by a goroutine each, which copies a
// frame before it writes it, for the same reason.
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

// Config is what a Fanout needs.
type Config struct {
	// Ring must have been made with Envelope.
	Ring *ring.Ring
	// StallTimeout closes a viewer that takes nothing for so long while there is something to take; checked once a second. 0: 10 s.
	StallTimeout time.Duration
}

// Fanout sends a ring's frames to viewers.
type Fanout struct {
	config Config
	loop   *loop // nil where there is none

	ending context.Context // of portable viewers
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

// Add takes over conn, whose response headers and Preamble have been written, and sends it frames until it is gone. On error conn is closed.
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

// Remove closes the connection of a viewer that was added, soon. It does nothing for one that has gone.
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
