package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// PostTimeout limits a Post whose ctx has no deadline.
const PostTimeout = 30 * time.Second

type post struct {
	target
	client *http.Client
	shot   Shot
}

// Option configures Post.
type Option func(*post)

// WithHeader sets a request header.
func WithHeader(name, value string) Option {
	return func(p *post) { p.header.Set(name, value) }
}

// WithForm sends the picture as a file in the given form field, instead of as the body.
func WithForm(field string) Option { return func(p *post) { p.field = field } }

// WithMethod sets a method other than POST, such as PUT.
func WithMethod(method string) Option { return func(p *post) { p.method = method } }

// WithDevice sets the sender's name (header X-Device).
func WithDevice(name string) Option { return func(p *post) { p.device = name } }

// WithName sets the picture's file name, for a form and for {name} in the URL.
func WithName(name string) Option { return func(p *post) { p.shot.Name = name } }

// WithClient replaces the default client, which keeps connections alive, uses the environment's proxies and follows only redirects that
// keep the picture.
func WithClient(c *http.Client) Option { return func(p *post) { p.client = c } }

// defaultClient keeps a few connections to each server: Post may be called from several goroutines.
var defaultClient = sync.OnceValue(func() *http.Client {
	t, err := newTransport("", nil)
	if err != nil {
		return http.DefaultClient // unreachable: only a CA file can cause an error
	}
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = 0, 4
	return newClient(t)
})

// Post sends one picture to a URL once, as the body of a POST, and returns the server's reply. A reply of any status is not an error (see
// Reply.OK, Reply.Err); a missing reply is. The picture is sent without a copy; its memory is the caller's again when Post returns.
func Post(ctx context.Context, address string, p Picture, options ...Option) (Reply, error) {
	if ctx == nil || p == nil {
		return Reply{}, errors.New("push: no context or no picture")
	}
	o := post{target: target{url: address, method: http.MethodPost, header: http.Header{}}, shot: Shot{Data: p.Borrow()}}
	for _, option := range options {
		option(&o)
	}
	if len(o.shot.Data) == 0 {
		return Reply{}, fmt.Errorf("push: nothing to send: the picture is empty or was released")
	}
	if err := checkURL(address); err != nil {
		return Reply{}, err
	}
	if o.client == nil {
		o.client = defaultClient()
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, PostTimeout)
		defer cancel()
	}
	o.secret = secretOf(address)
	o.shot.ContentType = p.ContentType()
	o.shot.complete(time.Now())
	return send(ctx, o.client, &o.target, &o.shot)
}

// send sends one picture and no longer uses its memory when it returns. The server may have closed a kept connection, which shows only
// when the next picture is on its way; it is then resent once over a new one. So it is after a Digest challenge.
func send(ctx context.Context, c *http.Client, t *target, s *Shot) (Reply, error) {
	reply, kept, err := sendOnce(ctx, c, t, s, nil)
	if err != nil && kept && reply.StatusCode == 0 && ctx.Err() == nil {
		c.CloseIdleConnections()
		reply, _, err = sendOnce(ctx, c, t, s, nil)
	}
	if t.secret.challenged(t, &reply) {
		reply, _, err = sendOnce(ctx, c, t, s, reply.from)
	}
	return reply, err
}

// sendOnce also reports whether the connection was a kept one. at is as in target.request.
func sendOnce(ctx context.Context, c *http.Client, t *target, s *Shot, at *url.URL) (reply Reply, kept bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused }})
	r, l, err := t.request(traced, s, at)
	if err != nil {
		cancel()
		return Reply{}, false, err
	}
	defer l.end()
	defer cancel() // before end: aborts a body that is still being sent
	resp, err := c.Do(r)
	if err != nil {
		return Reply{}, kept, fmt.Errorf("push: %s: %w", t.shown(), withoutURL(err))
	}
	reply, err = readReply(resp)
	return reply, kept, err
}
