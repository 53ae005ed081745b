package push

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/stamp"
)

const (
	// closeWithin is how long to wait for the server's reply when ctx ends a stream.
	closeWithin = time.Second
	// soundAfter is how long a stream must have run for the next attempt to start immediately: a server that accepts connections only to drop
	// them is not back.
	soundAfter = 5 * time.Second
)

// runStream sends all pictures as parts of one request, and starts another one when it breaks.
func (p *Pusher) runStream(ctx context.Context, source Source) error {
	feed := newStreamFeed(source, p)
	defer feed.release()
	waits, refusals := newBackOff(longestWait), newBackOff(longestRefusal)
	failing := time.Time{} // since when
	var next hop           // for the next request
	for {
		if err := feed.wait(ctx); errors.Is(err, io.EOF) { // do not connect before there is something to send
			return nil
		} else if err != nil {
			return err
		}
		started := time.Now()
		body := &streamBody{feed: feed, boundary: newBoundary(), timeout: p.config.Timeout}
		to := next
		next = hop{}
		reply, err := p.stream(ctx, body, to.url)
		took := time.Since(started)
		v := judge(ctx, &reply, err)
		if reply.StatusCode != 0 {
			err = reply.Err()
		}
		if v == delivered && !body.complete {
			v, err = failed, fmt.Errorf("push: %s: replied %s and ended the stream", p.state.URL, reply.Status)
		}
		if v == stopped {
			return ctx.Err()
		}
		if v == failed && !feed.held && !feed.ended && body.bytes > 0 && took >= soundAfter {
			continue // it timed out while there was nothing to send; start another one with the next picture
		}
		p.note(v, &reply, err, took)
		if v == delivered || (feed.ended && !feed.held) { // in the second case what arrived of the last stream is unknown
			p.report(Result{Reply: reply, Err: err, Took: took, Bytes: int(body.bytes)})
			return ctx.Err()
		}
		if to.follow(&reply) || to.login(&p.target, &reply) {
			next = to
			continue
		}
		if reply.StatusCode == http.StatusExpectationFailed && !p.noExpect { // an old server (RFC 9110, 10.1.1)
			p.noExpect = true
			continue
		}
		if took >= soundAfter {
			waits.Reset()
			refusals.Reset()
			failing = time.Time{}
		}
		if failing.IsZero() {
			failing = started
		}
		wait := max(waits.NextBackOff(), reply.wait(p.config.MaxWait))
		if v != failed {
			wait = refusals.NextBackOff()
		}
		if v != failed || !p.retriesAfter(failing, wait) {
			p.report(Result{Reply: reply, Err: err, Took: took, Bytes: int(body.bytes)})
		}
		if !p.retriesAfter(failing, wait) || (v != failed && !feed.live()) {
			p.mu.Lock()
			if v == failed {
				p.state.GivenUp++
			} else {
				p.state.Refused++
			}
			p.mu.Unlock()
			return nil
		}
		if err := p.rest(ctx, &reply, wait); err != nil {
			return err
		}
	}
}

// hop is where a stream's next request is sent if not to the target itself: a redirect holds for one request (RFC 9110, 15.4.8), since its
// destination may be gone later.
type hop struct {
	url       *url.URL // nil: the target's
	redirects int      // in a row
	loggedIn  bool     // this request answers a challenge
}

// maxRedirects is how many redirects in a row are followed.
const maxRedirects = 10

// follow follows a redirect that keeps the method and body, within the same host: pictures are not sent to another unless its URL is configured. net/http
// follows only with a body that can be sent again.
func (h *hop) follow(reply *Reply) bool {
	if reply.StatusCode != http.StatusTemporaryRedirect && reply.StatusCode != http.StatusPermanentRedirect || reply.from == nil {
		return false
	}
	from := reply.from
	location := reply.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || location == "" || to.Hostname() != from.Hostname() || (to.Scheme != from.Scheme && to.Scheme != "https") || h.redirects >= maxRedirects {
		return false
	}
	*h = hop{url: to, redirects: h.redirects + 1}
	return true
}

// login reports whether to send the request to the same URL again, with an answer to the server's challenge.
func (h *hop) login(t *target, reply *Reply) bool {
	if h.loggedIn || !t.secret.challenged(t, reply) {
		return false
	}
	h.loggedIn = true
	return true
}

// streamName replaces {name} in a stream's URL, as a stream has many pictures.
const streamName = "stream"

// stream sends one request of pictures until they end, ctx ends, or the server ends it. It is sent to the target's address, or to at.
func (p *Pusher) stream(ctx context.Context, body *streamBody, at *url.URL) (Reply, error) {
	// The end of ctx ends the parts, not the request: the server should see the end of the last part, and reply.
	request, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer body.end() // after cancel, which unblocks a pending write
	defer cancel(nil)
	parts, endParts := context.WithCancel(ctx)
	defer endParts()
	body.ctx, body.parts, body.cancel = ctx, parts, cancel
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(min(closeWithin, p.config.Timeout), func() { cancel(ctx.Err()) })
	})()
	address := p.target.address(streamName)
	if at != nil {
		address = at.String()
	}
	r, err := http.NewRequestWithContext(request, p.target.method, address, body)
	if err != nil {
		return Reply{}, fmt.Errorf("push: %w", withoutURL(err))
	}
	p.target.describe(r)
	// A server that refuses or redirects does so before the pictures are sent.
	if !p.noExpect {
		r.Header.Set("Expect", "100-continue")
	}
	r.Header.Set("Content-Type", "multipart/x-mixed-replace; boundary="+body.boundary)
	resp, err := p.client.Do(r)
	if err != nil {
		if cause := context.Cause(request); cause != nil && ctx.Err() == nil {
			err = cause
		}
		return Reply{}, fmt.Errorf("push: %s: %w", p.target.shown(), withoutURL(err))
	}
	return readReply(resp)
}

func newBoundary() string {
	var b [12]byte
	rand.Read(b[:])
	return "maixstream-" + hex.EncodeToString(b[:])
}

// streamFeed is a stream's pictures, across all its requests. One goroutine at a time uses it.
type streamFeed struct {
	source Source
	pusher *Pusher
	shot   Shot // sent next
	held   bool
	sent   int
	ended  bool
}

func newStreamFeed(source Source, p *Pusher) *streamFeed {
	return &streamFeed{source: source, pusher: p}
}

func (f *streamFeed) live() bool {
	_, live := f.source.(Live)
	return live
}

// wait waits for a picture to send; from a live source the newest.
func (f *streamFeed) wait(ctx context.Context) error {
	if f.held {
		if live, ok := f.source.(Live); ok {
			next := Shot{}
			if live.Newer(&next) {
				f.pusher.skip(next.Skipped + 1)
				f.shot.release()
				f.shot = next
			}
		}
		return nil
	}
	if count := f.pusher.config.Count; f.ended || (count > 0 && f.sent >= count) {
		f.ended = true
		return io.EOF
	}
	f.shot = Shot{}
	err := f.source.Next(ctx, &f.shot)
	if err != nil {
		f.ended = f.ended || errors.Is(err, io.EOF)
		return err
	}
	f.pusher.skip(f.shot.Skipped)
	f.shot.complete(time.Now())
	f.held = true
	return nil
}

// done records that the picture was sent; sound: the stream has been running for a while.
func (f *streamFeed) done(sound bool) {
	p := f.pusher
	p.mu.Lock()
	p.state.Delivered++
	p.state.Bytes += uint64(len(f.shot.Data))
	back := sound && p.state.Away
	if back {
		p.state.Away, p.state.Error = false, ""
	}
	p.mu.Unlock()
	if back {
		p.config.Log.Info("push: server reachable again", zap.String("url", p.state.URL))
	}
	f.sent++
	f.release()
}

func (f *streamFeed) release() {
	if f.held {
		f.held = false
		f.shot.release()
	}
}

// streamBody is the body of one request. The transport calls WriteTo once it is connected; writes go straight to the connection.
type streamBody struct {
	feed     *streamFeed
	boundary string
	timeout  time.Duration
	ctx      context.Context         // the Pusher's
	parts    context.Context         // ends the parts: with ctx, or because the request has ended
	cancel   context.CancelCauseFunc // ends the request
	began    time.Time               // when it connected

	mu       sync.Mutex // held while WriteTo runs
	over     bool
	bytes    uint64
	complete bool // the closing boundary was written
	stalled  *time.Timer
}

var _ io.WriterTo = (*streamBody)(nil)

// errReadBody should not occur: net/http prefers a body's WriteTo. It would show if that changed.
var errReadBody = errors.New("push: the stream's body can only be written")

func (b *streamBody) Read([]byte) (int, error) { return 0, errReadBody }
func (b *streamBody) Close() error             { return nil }

// end waits until nothing writes any more.
func (b *streamBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.stalled != nil {
		b.stalled.Stop()
	}
}

// WriteTo writes part after part. A part is written when the kernel has it: a slow server thus delays the next one, which is then the newest.
func (b *streamBody) WriteTo(w io.Writer) (n int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errOver
	}
	// Not a deadline on the connection, which the transport does not expose.
	b.stalled = time.AfterFunc(b.timeout, func() { b.cancel(fmt.Errorf("no progress for %v", b.timeout)) })
	b.began = time.Now()
	write := func(data []byte) {
		if err == nil {
			var m int
			m, err = w.Write(data)
			n += int64(m)
		}
	}
	write([]byte("--" + b.boundary))
	for err == nil {
		b.stalled.Stop()
		wait := b.feed.wait(b.parts)
		b.stalled.Reset(b.timeout) // for this part, or for the reply
		if wait != nil {
			inOrder := errors.Is(wait, io.EOF) || b.ctx.Err() != nil
			if !inOrder {
				return n, wait
			}
			write([]byte("--\r\n"))
			b.complete = err == nil
			return n, err
		}
		write(b.head(&b.feed.shot))
		write(b.feed.shot.Data)
		// The boundary is sent after the picture, not before the next one, so that the server knows at once that it has ended.
		write([]byte("\r\n--" + b.boundary))
		if err == nil {
			b.bytes += uint64(len(b.feed.shot.Data))
			b.feed.done(time.Since(b.began) > time.Second)
		}
	}
	return n, err
}

func (b *streamBody) head(s *Shot) []byte {
	h := make([]byte, 0, 256)
	h = append(h, "\r\nContent-Type: "...)
	h = append(h, s.ContentType...)
	h = append(h, "\r\nContent-Length: "...)
	h = strconv.AppendInt(h, int64(len(s.Data)), 10)
	h = append(h, "\r\nX-Timestamp: "...)
	h = stamp.Append(h, s.Captured)
	if s.Sequence != 0 {
		h = append(h, "\r\nX-Sequence: "...)
		h = strconv.AppendUint(h, s.Sequence, 10)
	}
	h = append(h, "\r\nIdempotency-Key: "...)
	h = append(h, s.Key...)
	return append(h, "\r\n\r\n"...)
}
