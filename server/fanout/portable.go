package fanout

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// chunk is what a portable viewer must take within the stall timeout.
const chunk = 16 << 10

// serve writes frames to one viewer until it is gone.
func (f *Fanout) serve(conn net.Conn, v *Viewer) {
	defer f.joined.Done()
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		// A viewer has nothing to say; reading tells when it goes, and answers TLS's own messages.
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	})
	reason := f.pump(ctx, conn, v)
	conn.Close()
	reading.Wait()
	cancel()
	f.mu.Lock()
	delete(f.portable, v)
	if f.closed {
		reason = Closed
	}
	f.mu.Unlock()
	if v.Gone != nil {
		v.Gone(reason)
	}
}

func (f *Fanout) pump(ctx context.Context, conn net.Conn, v *Viewer) Reason {
	began := time.Now()
	v.start(0)
	reader := f.config.Ring.NewReader()
	defer reader.Close()
	var (
		frame   ring.Frame
		private []byte // grows to the largest frame
		ticked  time.Duration
	)
	for reader.Next(ctx, &frame) == nil {
		now := time.Since(began)
		if now-ticked >= time.Second {
			ticked = now
			v.tick(now, f.config.StallTimeout, 0, false)
		}
		if !v.pace(now) || !drained(conn) {
			frame.Release()
			continue
		}
		piece := v.Form.piece(&frame)
		if piece == nil {
			frame.Release()
			return Broken
		}
		v.begin(frame.Meta())
		private = append(private[:0], piece...)
		frame.Release()
		for rest := private; len(rest) > 0; {
			_ = conn.SetWriteDeadline(time.Now().Add(f.config.StallTimeout))
			n, err := conn.Write(rest[:min(chunk, len(rest))])
			v.took(n)
			if err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() {
					return Stalled
				}
				return Left
			}
			rest = rest[n:]
		}
		v.finished()
	}
	return Left
}
