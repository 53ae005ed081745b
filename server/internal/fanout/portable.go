package fanout

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// chunk is how many bytes a portable viewer must accept within the stall timeout.
const chunk = 16 << 10

// serve writes frames to one viewer until it disconnects.
func (f *Fanout) serve(conn net.Conn, v *Viewer) {
	defer f.joined.Done()
	ctx, cancel := context.WithCancel(f.ending)
	var reading sync.WaitGroup
	reading.Go(func() {
		// A viewer sends nothing; reading detects that it left and handles TLS's own messages. A viewer that has closed only its sending side
		// (EOF without an error) may read on: a write tells.
		if _, err := io.Copy(io.Discard, conn); err != nil {
			cancel()
		}
	})
	reason := f.pump(ctx, conn, v)
	conn.Close()
	reading.Wait()
	cancel()
	f.mu.Lock()
	delete(f.portable, v)
	switch {
	case f.closed:
		reason = Closed
	case v.dismissed.Load():
		reason = Dismissed
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
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var private []byte // grows to the largest frame
	for {
		if reason, gone := f.give(conn, v, time.Since(began), &private); gone {
			return reason
		}
		select {
		case <-reader.Updates():
		case <-second.C: // also for what the viewer was not ready for: a newer frame may be a long time coming
			v.tick(time.Since(began), f.config.StallTimeout, 0, false)
		case <-ctx.Done():
			return Left
		}
	}
}

// give writes the newest frame to a viewer that has not had it and is ready for it; private is the viewer's buffer.
func (f *Fanout) give(conn net.Conn, v *Viewer, at time.Duration, private *[]byte) (reason Reason, gone bool) {
	var frame ring.Frame
	if !f.config.Ring.Latest(&frame) {
		return 0, false
	}
	defer frame.Release()
	if frame.Meta().Sequence == v.sequence || !drained(conn) || !v.wants(at) {
		return 0, false
	}
	piece := v.Form.piece(&frame)
	if piece == nil {
		return Broken, true
	}
	v.begin(frame.Meta(), at)
	*private = append((*private)[:0], piece...)
	frame.Release()
	for rest := *private; len(rest) > 0; {
		_ = conn.SetWriteDeadline(time.Now().Add(f.config.StallTimeout))
		n, err := conn.Write(rest[:min(chunk, len(rest))])
		v.took(n)
		if err != nil {
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				return Stalled, true
			}
			return Left, true
		}
		rest = rest[n:]
	}
	v.finished()
	return 0, false
}
