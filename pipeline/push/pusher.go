package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
)

// Pusher sends a source's pictures to one URL. Run it once; State may be called from any goroutine.
type Pusher struct {
	config Config
	target target
	client *http.Client
	spool  *spool // nil: none

	noExpect bool // streams: the server does not support Expect: 100-continue

	mu    sync.Mutex
	state State
	next  time.Time // time of the next attempt; zero: not waiting
}

// State is a Pusher's state and its totals.
type State struct {
	URL  string `json:"url"` // without a password
	As   Mode   `json:"as"`
	Away bool   `json:"away"` // the last attempt failed
	// Totals since the start.
	Delivered uint64 `json:"delivered"` // pictures; in a stream, those the kernel accepted
	Bytes     uint64 `json:"bytes"`     // of the delivered pictures
	Refused   uint64 `json:"refused"`   // pictures the server rejected
	GivenUp   uint64 `json:"given_up"`  // pictures that could not be delivered or spooled in time
	Skipped   uint64 `json:"skipped"`   // pictures superseded by newer ones
	Failures  uint64 `json:"failures"`  // failed attempts
	// The last attempt.
	Status string  `json:"status,omitempty"`
	Error  string  `json:"error,omitempty"`
	MS     float64 `json:"ms"` // from its start to the end of the reply
	// The next attempt while waiting for it: in how many seconds, and when by this machine's clock (Unix seconds).
	RetryIn float64     `json:"retry_in,omitempty"`
	RetryAt float64     `json:"retry_at,omitempty"`
	Spool   *SpoolState `json:"spool,omitempty"`
}

const (
	firstWait = 100 * time.Millisecond
	// longestWait, jitter included, keeps a server that is back from waiting long for the newest picture.
	longestWait = time.Second
	// longestRefusal is the delay after the server rejected the sender as such: only a person can change that.
	longestRefusal = 30 * time.Second
	jitter         = 0.3
)

func newBackOff(longest time.Duration) *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{InitialInterval: firstWait, RandomizationFactor: jitter, Multiplier: 2, MaxInterval: longest}
	b.Reset()
	return b
}

// New validates c, reads the files it names and opens the spool. Nothing is sent yet. Close must be called.
func New(c Config) (*Pusher, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	secret, err := newSecret(&c)
	if err != nil {
		return nil, err
	}
	var control controlFunc
	if c.As == Multipart {
		control = limitUnsent
	}
	transport, err := newTransport(c.CAFile, control)
	if err != nil {
		return nil, err
	}
	p := &Pusher{
		config: c, client: newClient(transport), state: State{As: c.As},
		target: target{url: c.URL, method: c.Method, device: c.Device, header: c.Header, secret: secret},
	}
	p.state.URL = p.target.shown()
	if c.As == Form {
		p.target.field = c.Field
	}
	if c.Spool != "" {
		if p.spool, err = openSpool(c.Spool, c.SpoolMax, c.Log); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Close closes the connection and the spool, after Run has returned. Spooled pictures stay for the next Pusher. Further calls do nothing.
func (p *Pusher) Close() {
	p.client.CloseIdleConnections()
	if p.spool != nil {
		p.spool.close()
	}
}

// State returns the current state.
func (p *Pusher) State() State {
	p.mu.Lock()
	s := p.state
	if now := time.Now(); p.next.After(now) { // by the monotonic clock
		wait := p.next.Sub(now)
		s.RetryIn, s.RetryAt = wait.Seconds(), float64(now.Add(wait).UnixMilli())/1000
	}
	p.mu.Unlock()
	if p.spool != nil {
		now := p.spool.state()
		s.Spool = &now
	}
	return s
}

// Run sends the source's pictures until it ends, Count pictures were sent, or ctx ends, whose error it then returns. With a spool it first sends what an
// earlier process left, and at the source's end returns when the spool is empty or Retry has passed. Config.OnResult and State report the outcomes.
func (p *Pusher) Run(ctx context.Context, source Source) error {
	if ctx == nil || source == nil {
		return errors.New("push: no context or no source")
	}
	switch {
	case p.spool != nil:
		return p.runSpooled(ctx, source)
	case p.config.As == Multipart:
		return p.runStream(ctx, source)
	}
	live, _ := source.(Live)
	refusals := newBackOff(longestRefusal)
	for n := 0; p.config.Count == 0 || n < p.config.Count; n++ {
		shot := new(Shot)
		if err := source.Next(ctx, shot); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		p.skip(shot.Skipped)
		verdict := p.deliver(ctx, shot, func() bool {
			if live == nil {
				return false
			}
			next := new(Shot)
			if !live.Newer(next) {
				return false
			}
			p.skip(next.Skipped + 1)
			shot.release()
			*shot = *next
			return true
		})
		shot.release()
		switch verdict {
		case stopped:
			return ctx.Err()
		case refused, unwanted, givenUp:
			if live != nil { // a camera would retry thirty times a second
				if err := p.rest(ctx, &Reply{}, refusals.NextBackOff()); err != nil {
					return err
				}
			}
		case delivered:
			refusals.Reset()
		}
	}
	return nil
}

// verdict is the outcome of a picture or of an attempt.
type verdict int

const (
	delivered verdict = iota
	failed            // may succeed later
	refused           // the server rejects this picture
	unwanted          // the server rejects every picture: wrong password, wrong path
	givenUp           // Retry has passed
	stopped           // ctx has ended
)

// judge classifies an attempt.
func judge(ctx context.Context, reply *Reply, err error) verdict {
	switch {
	case reply.OK(): // even if reading its body failed
		return delivered
	case ctx.Err() != nil:
		return stopped
	case err != nil && reply.StatusCode == 0:
		if permanent(err) {
			return unwanted
		}
		return failed
	case reply.retryable():
		return failed
	case reply.concernsPicture():
		return refused
	}
	return unwanted
}

// permanent reports whether retrying cannot help: an untrusted certificate, plain HTTP where HTTPS is required, a redirect loop or a redirect
// to plain HTTP. A certificate that is not valid yet does not count: a board without a battery-backed clock learns the time only after a while.
func permanent(err error) bool {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, errRedirect)
}

// deliver retries a shot until its outcome is final. Before each further attempt renew may replace the picture.
func (p *Pusher) deliver(ctx context.Context, shot *Shot, renew func() bool) verdict {
	began := time.Now()
	waits := newBackOff(longestWait)
	for {
		shot.complete(time.Now())
		started := time.Now()
		reply, err := p.attempt(ctx, shot)
		took := time.Since(started)
		v := judge(ctx, &reply, err)
		if reply.StatusCode != 0 {
			err = reply.Err()
		}
		if v == stopped {
			return v
		}
		wait := max(waits.NextBackOff(), reply.wait(p.config.MaxWait))
		if v == failed && !p.retriesAfter(began, wait) {
			v = givenUp
		}
		p.note(v, &reply, err, took)
		if v == failed {
			if p.rest(ctx, &reply, wait) != nil {
				return stopped
			}
			renew()
			continue
		}
		p.finish(v, shot, reply, err, took)
		return v
	}
}

// longWait is the shortest delay that is logged.
const longWait = 10 * time.Second

// rest waits before the next attempt, and publishes when that is.
func (p *Pusher) rest(ctx context.Context, reply *Reply, wait time.Duration) error {
	now := time.Now()
	p.mu.Lock()
	p.next = now.Add(wait)
	p.mu.Unlock()
	if asked := reply.Header.Get("Retry-After"); asked != "" && wait >= longWait {
		p.config.Log.Warn("push: server asked to retry later", zap.String("url", p.state.URL), zap.String("status", reply.Status),
			zap.String("retry_after", OneLine(asked, 64)), zap.Duration("wait", wait), zap.Time("next_try", now.Add(wait)))
	}
	err := pause(ctx, wait)
	p.mu.Lock()
	p.next = time.Time{}
	p.mu.Unlock()
	return err
}

// retriesAfter reports whether to retry after such a delay.
func (p *Pusher) retriesAfter(began time.Time, wait time.Duration) bool {
	limit := p.config.Retry
	return limit == 0 || (limit > 0 && time.Since(began)+wait <= limit)
}

// attempt sends a shot once. A large picture over a slow link may take longer than Timeout, as long as some of it goes out within that.
func (p *Pusher) attempt(ctx context.Context, shot *Shot) (Reply, error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(p.config.Timeout, func() { cancel(fmt.Errorf("no reply within %v", p.config.Timeout)) })
	defer timer.Stop()
	shot.progress = func() { timer.Reset(p.config.Timeout) }
	reply, err := send(limited, p.client, &p.target, shot)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = fmt.Errorf("push: %s: %w", p.state.URL, context.Cause(limited))
	}
	return reply, err
}

// note records an attempt, and logs when the server becomes unreachable or reachable.
func (p *Pusher) note(v verdict, reply *Reply, err error, took time.Duration) {
	if reply.StatusCode == http.StatusUnauthorized || reply.StatusCode == http.StatusForbidden {
		if err := p.target.secret.read(); err != nil {
			p.config.Log.Warn("push", zap.Error(err))
		}
	}
	p.mu.Lock()
	s := &p.state
	was := s.Away
	s.Status, s.MS, s.Error, s.Away = reply.Status, float64(took)/float64(time.Millisecond), "", v != delivered && v != refused
	if err != nil {
		s.Error = err.Error()
	}
	if v != delivered {
		s.Failures++
	}
	now := s.Away
	p.mu.Unlock()
	reported := p.config.OnResult != nil && v != failed // final outcomes
	switch {
	case now && !was && !reported:
		p.config.Log.Warn("push: not delivered", zap.String("url", p.state.URL), zap.Error(err))
	case was && !now:
		p.config.Log.Info("push: server reachable again", zap.String("url", p.state.URL))
	}
}

// finish counts a picture with a final outcome and reports it.
func (p *Pusher) finish(v verdict, shot *Shot, reply Reply, err error, took time.Duration) {
	p.mu.Lock()
	switch kept := shot.spooled; {
	case v == delivered:
		p.state.Delivered++
		p.state.Bytes += uint64(len(shot.Data))
	case v == refused, v == unwanted && !kept:
		p.state.Refused++
	case v == givenUp && !kept:
		p.state.GivenUp++
	}
	p.mu.Unlock()
	p.report(Result{Name: shot.Name, Reply: reply, Err: err, Took: took, Bytes: len(shot.Data)})
}

func (p *Pusher) report(r Result) {
	if p.config.OnResult != nil {
		p.config.OnResult(r)
	}
}

func (p *Pusher) skip(n uint64) {
	p.mu.Lock()
	p.state.Skipped += n
	p.mu.Unlock()
}
