package upload

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

var (
	errSlow    = errors.New("the picture comes too slowly")
	errCut     = errors.New("the upload was cut off")
	errHeaders = errors.New("the part's headers are too long")
)

const (
	// A picture must arrive at this rate, after the first seconds: a sender that trickles must not hold a connection for ever.
	leastRate = 4 << 10 // bytes a second
	firstFew  = 30 * time.Second
	// How long a stream may have nothing to send, once its first picture has come; until then it is no camera.
	idleStream = 15 * time.Minute
	idleFirst  = 30 * time.Second
	// maxPartHeaders is in bytes; what is read ahead of the next picture counts, too.
	maxPartHeaders = 64 << 10
)

// body is a request's body with a deadline for each read.
type body struct {
	r          io.Reader
	connection *http.ResponseController
	stall      time.Duration
	slot       *slot

	began time.Time     // the picture
	got   int64         // bytes since then
	err   error         // that ended it, but io.EOF
	ended bool          // by io.EOF: the sender has said all that it wanted to
	idle  time.Duration // not 0: between two parts, where only headers may come, and for so long nothing
}

func newBody(w http.ResponseWriter, r *http.Request, stall time.Duration, s *slot) *body {
	return &body{r: r.Body, connection: http.NewResponseController(w), stall: stall, slot: s, began: time.Now()}
}

// next begins to wait for a part.
func (b *body) next(idle time.Duration) { b.idle, b.got = idle, 0 }

// part begins a picture.
func (b *body) part() { b.idle, b.began, b.got = 0, time.Now(), 0 }

// Read is the body's. Its errors but io.EOF wrap errSlow when a deadline was missed, errEvicted, errHeaders, or errCut.
func (b *body) Read(p []byte) (int, error) {
	deadline := time.Now()
	if b.idle != 0 {
		if b.got > maxPartHeaders {
			b.err = errHeaders
			return 0, b.err
		}
		deadline = deadline.Add(b.idle)
	} else {
		deadline = deadline.Add(b.stall)
		if total := b.began.Add(firstFew + time.Duration(b.got)*time.Second/leastRate); total.Before(deadline) {
			deadline = total
		}
	}
	_ = b.connection.SetReadDeadline(deadline)
	if b.slot.evicted.Load() { // its deadline may have come before ours
		b.err = errEvicted
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.got += int64(n)
	if n > 0 {
		b.slot.touch()
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.ended = true
		return n, err
	case b.slot.evicted.Load():
		b.err = errEvicted
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = fmt.Errorf("%w: %d bytes in %v", errSlow, b.got, time.Since(b.began).Round(time.Second))
	default:
		b.err = fmt.Errorf("%w: %w", errCut, err)
	}
	return n, b.err
}
