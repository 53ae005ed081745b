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
	errSlow    = errors.New("the picture arrives too slowly")
	errCut     = errors.New("the upload was cut off")
	errHeaders = errors.New("the part's headers are too large")
)

const (
	// Minimum rate of a picture after the first seconds: a slow trickle must not hold a connection forever.
	minRate  = 4 << 10 // bytes per second
	firstFew = 30 * time.Second
	// How long a stream may be idle after its first picture; before that it is not taken for a camera.
	idleStream = 15 * time.Minute
	idleFirst  = 30 * time.Second
	// maxPartHeaders is in bytes, including what is read ahead of the next picture.
	maxPartHeaders = 64 << 10
)

// body is a request's body with a deadline for each read.
type body struct {
	r          io.Reader
	connection *http.ResponseController
	stall      time.Duration
	slot       *slot

	began time.Time     // of the current picture, or of the wait for a part
	got   int64         // bytes since then
	err   error         // that ended it, except io.EOF
	ended bool          // by io.EOF: the body is complete
	idle  time.Duration // not 0: between two parts, where only headers may come, and how long that may take
}

func newBody(w http.ResponseWriter, r *http.Request, stall time.Duration, s *slot) *body {
	return &body{r: r.Body, connection: http.NewResponseController(w), stall: stall, slot: s, began: time.Now()}
}

// next starts waiting for a part.
func (b *body) next(idle time.Duration) { b.idle, b.began, b.got = idle, time.Now(), 0 }

// part starts a picture.
func (b *body) part() { b.idle, b.began, b.got = 0, time.Now(), 0 }

// Read implements io.Reader. Errors except io.EOF wrap errSlow (missed deadline), errEvicted, errHeaders or errCut.
func (b *body) Read(p []byte) (int, error) {
	deadline := time.Now()
	if b.idle != 0 {
		if b.got > maxPartHeaders {
			b.err = errHeaders
			return 0, b.err
		}
		deadline = b.began.Add(b.idle) // for all of it: a trickle must not hold a slot
	} else {
		deadline = deadline.Add(b.stall)
		if total := b.began.Add(firstFew + time.Duration(b.got)*time.Second/minRate); total.Before(deadline) {
			deadline = total
		}
	}
	_ = b.connection.SetReadDeadline(deadline)
	if b.slot.evicted.Load() { // its deadline may have expired before ours
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
