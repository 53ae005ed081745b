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

// PostTimeout bounds a Post whose ctx has no deadline.
const PostTimeout = 30 * time.Second

type post struct {
	target
	client *http.Client
	shot   Shot
}

// Option changes what Post does.
type Option func(*post)

// WithHeader sets a header of the request.
func WithHeader(name, value string) Option {
	return func(p *post) { p.header.Set(name, value) }
}

// WithForm sends the picture as the file of a form, in the given field, instead of as the body itself.
func WithForm(field string) Option { return func(p *post) { p.field = field } }

// WithMethod sends with another method than POST, such as PUT.
func WithMethod(method string) Option { return func(p *post) { p.method = method } }

// WithDevice says who sends (header X-Device).
func WithDevice(name string) Option { return func(p *post) { p.device = name } }

// WithName gives the picture a file name, for a form and for {name} in the URL.
func WithName(name string) Option { return func(p *post) { p.shot.Name = name } }

// WithClient sends with this client instead of one that keeps a connection for each server, takes proxies from the environment and follows redirects only
// as far as they keep the picture.
func WithClient(c *http.Client) Option { return func(p *post) { p.client = c } }

// defaultClient keeps a few connections to each server: Post may be called from several goroutines.
var defaultClient = sync.OnceValue(func() *http.Client {
	t, err := newTransport("", nil)
	if err != nil {
		return http.DefaultClient // cannot be: without a CA file there is nothing to go wrong
	}
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = 0, 4
	return newClient(t)
})

// Post sends one picture to a URL, as the body of a POST, once, and returns what the server said: a reply of any status is no error (Reply.OK, Reply.Err); no
// reply is. The picture's memory is sent as it is, without a copy, and is the caller's again when Post returns.
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

// send sends one picture. Its memory is free again when send returns. A connection that was kept from an earlier picture may turn out to be closed by the
// server only when the next one is under way; then it is sent once more, over a new one. So it is when the server asks for Digest authentication.
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

// sendOnce says besides whether the connection was an old one. at is as in target.request.
func sendOnce(ctx context.Context, c *http.Client, t *target, s *Shot, at *url.URL) (reply Reply, kept bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused }})
	r, l, err := t.request(traced, s, at)
	if err != nil {
		cancel()
		return Reply{}, false, err
	}
	defer l.end()
	defer cancel() // before end: a body that is still being sent ends with it
	resp, err := c.Do(r)
	if err != nil {
		return Reply{}, kept, fmt.Errorf("push: %s: %w", t.shown(), withoutURL(err))
	}
	reply, err = readReply(resp)
	return reply, kept, err
}
