package publish

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/secretfile"
	"github.com/maixstream/maixstream/pipeline/video"
)

// Source is a feed's H.264. *pipeline.Video is one.
type Source interface {
	// Log has the access units.
	Log() *video.Log
	// Watch registers a reader until leave is called.
	Watch() (leave func())
	// Err returns why there are no units; nil if there are.
	Err() error
}

// pacedSource is a Source that knows the time between two pictures. *pipeline.Video is one.
type pacedSource interface{ FrameTime() time.Duration }

// Config configures a Publisher. Address and Source are required.
type Config struct {
	// Address is rtmp://HOST/APP/KEY, rtmps://HOST/APP/KEY, rtsp://[USER:PASSWORD@]HOST/PATH or rtsps://…, or file:PATH: the address is in the first line of that
	// file then, which is read before each attempt to connect. If the file has a second line, that is the stream key, and the first the server: rtmp://HOST/APP.
	Address string
	Source  Source
	// CAFile has certificates (PEM) to trust beside the system's; "": none.
	CAFile string
	// StallTimeout is how long a server may take nothing before it is disconnected, and how long the source may be silent beyond two of its frame times. 0: 10 s.
	StallTimeout time.Duration
	// Lag is how far behind the newest picture the server may be before it is moved to a key frame. 0: 2 s.
	Lag time.Duration
	Log *zap.Logger // nil: nothing
}

// State describes what a Publisher is doing and has done since the start. It contains no secrets.
type State struct {
	URL       string  `json:"url"`
	Connected bool    `json:"connected"`       // the server accepts the stream
	Since     float64 `json:"since,omitempty"` // when it began to (Unix seconds)
	// Over the last second or so:
	FPS         float64 `json:"fps"`
	BytesPerSec float64 `json:"bytes_per_second"`
	// Since the start:
	Connections uint64 `json:"connections"` // times that a server took the stream
	Failures    uint64 `json:"failures"`    // attempts and streams that failed
	Frames      uint64 `json:"frames"`      // sent
	Bytes       uint64 `json:"bytes"`       // of them
	Skipped     uint64 `json:"skipped"`     // left out because the server or the link was too slow
	// Error is why the last attempt or stream ended; "" while connected.
	Error string `json:"error,omitempty"`
	// Of the next attempt, while it is waited for: in how many seconds, and when by this machine's clock (Unix seconds).
	RetryIn float64 `json:"retry_in,omitempty"`
	RetryAt float64 `json:"retry_at,omitempty"`
}

const (
	defaultStall = 10 * time.Second
	// defaultLag is longer than a viewer's: a platform is seconds late anyway, and a gap up to the next key frame is worse there.
	defaultLag = 2 * time.Second
	// connectWithin bounds an attempt, up to the server's word that it takes the stream.
	connectWithin = 15 * time.Second
	firstWait     = 500 * time.Millisecond
	longestWait   = 30 * time.Second
	jitter        = 0.3
	// keepEvery is the longest silence towards a server: some close a stream of which they have received nothing for five seconds.
	keepEvery = 3 * time.Second
	// slow is the frame time from which on a connection is made only once there is a picture to send: a server does not wait long for the first.
	slow = time.Second
	// lasting is how long a stream has to run for the next pause to be short again: some servers take any key, and close then.
	lasting = 10 * time.Second
)

// errClosed: it was the server.
var errClosed = errors.New("the server closed the connection")

// errSilent: the source delivers nothing.
var errSilent = errors.New("no pictures from the source")

// Publisher publishes a feed on one server. Run it once; State may be called from any goroutine.
type Publisher struct {
	config  Config
	roots   *x509.CertPool // nil: the system's
	frames  atomic.Uint64
	bytes   atomic.Uint64
	skipped atomic.Uint64
	fps     atomic.Uint64 // math.Float64bits
	rate    atomic.Uint64 // likewise

	mu          sync.Mutex
	shown       string
	since       time.Time // zero: not connected
	connections uint64
	failures    uint64
	problem     string
	next        time.Time // zero: no attempt is waited for
}

// New checks c and reads the files that it names. Nothing is sent before Run.
func New(c Config) (*Publisher, error) {
	if c.StallTimeout == 0 {
		c.StallTimeout = defaultStall
	}
	if c.Lag == 0 {
		c.Lag = defaultLag
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	t, err := find(c.Address)
	if err != nil {
		return nil, err
	}
	p := &Publisher{config: c, shown: t.shown}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("publish: CA file: %w", err)
		}
		if p.roots, err = x509.SystemCertPool(); err != nil {
			p.roots = x509.NewCertPool()
		}
		if !p.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("publish: CA file %s: no certificate in it: it must be PEM (-----BEGIN CERTIFICATE-----)", c.CAFile)
		}
	}
	secretfile.Warn(c.Log, SecretFile(c.Address))
	return p, nil
}

// State returns the current state.
func (p *Publisher) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{
		URL: p.shown, Connected: !p.since.IsZero(), Connections: p.connections, Failures: p.failures, Error: p.problem,
		Frames: p.frames.Load(), Bytes: p.bytes.Load(), Skipped: p.skipped.Load(),
	}
	if s.Connected {
		s.Since = float64(p.since.UnixMilli()) / 1000
		s.FPS, s.BytesPerSec = math.Float64frombits(p.fps.Load()), math.Float64frombits(p.rate.Load())
	}
	if now := time.Now(); p.next.After(now) { // by the monotonic clock
		wait := p.next.Sub(now)
		s.RetryIn, s.RetryAt = wait.Seconds(), float64(now.Add(wait).UnixMilli())/1000
	}
	return s
}

// Run publishes until ctx ends, whose error it returns. What went wrong meanwhile, State and the log say.
func (p *Publisher) Run(ctx context.Context) error {
	waits := &backoff.ExponentialBackOff{InitialInterval: firstWait, RandomizationFactor: jitter, Multiplier: 2, MaxInterval: longestWait}
	waits.Reset()
	var before string // what is in the log already
	silent := false
	for {
		began, err := p.attempt(ctx, silent || p.frameTime() >= slow)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case began.IsZero():
		case time.Since(began) >= lasting:
			waits.Reset()
			before = ""
		case errors.Is(err, errClosed):
			err = fmt.Errorf("%w soon after it had taken the stream: is the stream key or password right?", errClosed)
		}
		silent = errors.Is(err, errSilent)
		wait := waits.NextBackOff()
		text := err.Error()
		p.mu.Lock()
		p.since, p.problem, p.next = time.Time{}, text, time.Now().Add(wait)
		p.failures++
		shown := p.shown
		p.mu.Unlock()
		if text != before {
			before = text
			p.config.Log.Warn("publish: not connected; retrying", zap.String("url", shown), zap.Error(err), zap.Duration("next_try_in", wait.Round(time.Millisecond)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		p.mu.Lock()
		p.next = time.Time{}
		p.mu.Unlock()
	}
}

// frameTime returns the time between two of the source's pictures; 0: unknown.
func (p *Publisher) frameTime() time.Duration {
	if source, ok := p.config.Source.(pacedSource); ok {
		return source.FrameTime()
	}
	return 0
}

// connection is a way to one server.
type connection interface {
	// begin starts the stream. The server takes it when begin returns without an error.
	begin(ctx context.Context, parameters *video.Parameters) error
	// change takes new parameter sets, before the key frame that needs them and with its time.
	change(parameters *video.Parameters, at time.Duration) error
	// write sends a unit, at a time since the stream's beginning.
	write(u *video.Unit, at time.Duration) error
	// keep sends something that is no picture, so that the server does not take the stream for dead. The last unit was sent that long ago.
	keep(since time.Duration) error
	// wait returns when the connection has ended, and why.
	wait() error
	// close ends it; it may be called twice, and from any goroutine.
	close()
}

// attempt connects and sends until something is wrong, which it returns. began is when the server took the stream, zero if it did not. patient makes it connect
// only once the source gives something.
func (p *Publisher) attempt(ctx context.Context, patient bool) (began time.Time, err error) {
	t, err := find(p.config.Address)
	if err != nil {
		return time.Time{}, err
	}
	p.mu.Lock()
	p.shown = t.shown
	p.mu.Unlock()
	if began, err = p.session(ctx, t, patient); err != nil {
		err = &scrubbed{err, t.scrub(err.Error())}
	}
	return began, err
}

// saidError is what a server said is wrong.
type saidError struct{ text string }

func (e *saidError) Error() string { return e.text }

// scrubbed is an error without secrets in its text.
type scrubbed struct {
	error
	text string
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.error }

func (p *Publisher) session(ctx context.Context, t *target, patient bool) (began time.Time, err error) {
	if err := p.config.Source.Err(); err != nil {
		return time.Time{}, err
	}
	if patient {
		leave := p.config.Source.Watch()
		err := p.someUnit(ctx)
		leave()
		if err != nil {
			return time.Time{}, err
		}
	}
	limited, cancelLimit := context.WithTimeoutCause(ctx, connectWithin, fmt.Errorf("no answer within %v", connectWithin))
	defer cancelLimit()
	c, err := p.connect(limited, t)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			err = context.Cause(limited)
		}
		return time.Time{}, err
	}
	defer c.close()
	running, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(running, c.close)()
	var ended sync.WaitGroup
	ended.Go(func() { cancel(c.wait()) })
	defer ended.Wait()
	defer c.close()

	defer p.config.Source.Watch()()
	s := &sender{publisher: p, conn: c, reader: p.config.Source.Log().NewReader(p.config.Lag)}
	defer s.reader.Close()
	err = s.run(running)
	c.close()
	ended.Wait()
	var said *saidError
	if why := context.Cause(running); ctx.Err() == nil && why != nil && (errors.Is(err, context.Canceled) || errors.As(why, &said)) {
		err = why
	}
	if hungUp(err) {
		err = errClosed
	}
	return s.began, err
}

// hungUp reports whether an error means that the server has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// someUnit waits until the source delivers a unit.
func (p *Publisher) someUnit(ctx context.Context) error {
	reader := p.config.Source.Log().NewReader(p.config.Lag)
	defer reader.Close()
	var u video.Unit
	for {
		if err := reader.Next(ctx, &u); err != nil {
			return err
		}
		fresh := p.fresh(&u)
		u.Release()
		if fresh {
			return nil
		}
		p.config.Source.Log().RequestKey()
	}
}

// fresh says whether a stream can begin with a unit. A log keeps what it had when the encoder began to rest, however long ago that is.
func (p *Publisher) fresh(u *video.Unit) bool {
	m := u.Meta()
	return m.Key && time.Since(m.Published) <= p.config.Lag
}

// sender sends a log's units over one connection.
type sender struct {
	publisher  *Publisher
	conn       connection
	reader     *video.Reader
	parameters *video.Parameters
	began      time.Time // when the server took the stream; zero: it has not yet
	origin     time.Time // capture time of the stream's time 0
	last       time.Duration
	sent       time.Time // when that was
	measured   time.Time
	frames     uint64 // when it was measured
	bytes      uint64
}

// run sends until ctx ends, the source is silent or a write fails.
func (s *sender) run(ctx context.Context) error {
	stall := s.publisher.config.StallTimeout
	every := min(keepEvery, stall/3)
	timer := time.NewTimer(every)
	defer timer.Stop()
	last := time.Now() // when a unit was sent
	var u video.Unit
	for {
		if !s.reader.TryNext(&u) {
			select {
			case <-s.reader.Updates():
			case <-ctx.Done():
				return ctx.Err()
			case <-timer.C:
				if silent := time.Since(last); silent >= stall+2*s.publisher.frameTime() {
					return fmt.Errorf("%w for %v", errSilent, silent.Round(time.Second))
				}
				if !s.began.IsZero() {
					if err := s.conn.keep(time.Since(s.sent)); err != nil {
						return err
					}
				}
				timer.Reset(every)
			}
			continue
		}
		err := s.send(ctx, &u)
		u.Release()
		if err != nil {
			return err
		}
		if !s.began.IsZero() {
			last = time.Now()
			timer.Reset(every)
		}
	}
}

func (s *sender) send(ctx context.Context, u *video.Unit) error {
	p, m := s.publisher, u.Meta()
	if s.began.IsZero() {
		if !p.fresh(u) {
			p.config.Source.Log().RequestKey()
			return nil
		}
		if err := s.conn.begin(ctx, m.Parameters); err != nil {
			return err
		}
		s.began = time.Now()
		s.origin, s.measured, s.sent = m.Captured, s.began, s.began
		s.frames, s.bytes = p.frames.Load(), p.bytes.Load()
		s.parameters, s.last = m.Parameters, -time.Millisecond
		p.connected(s.began)
	} else {
		p.skipped.Add(u.Skipped)
	}
	at := s.timeOf(m.Captured)
	if m.Parameters != s.parameters {
		if err := s.conn.change(m.Parameters, at); err != nil {
			return err
		}
		s.parameters = m.Parameters
	}
	if err := s.conn.write(u, s.last); err != nil {
		return err
	}
	p.frames.Add(1)
	p.bytes.Add(uint64(len(u.Bytes())))
	s.measure(time.Now())
	return nil
}

// timeOf is the time of a picture in the stream, which always rises, as servers want it: by a millisecond at least, the least that RTMP knows. When the clock of
// the captures is set, the stream goes on by this machine's.
func (s *sender) timeOf(captured time.Time) time.Duration {
	now := time.Now()
	at := captured.Sub(s.origin)
	if step := at - s.last; step < time.Millisecond || step > 2*s.publisher.config.StallTimeout {
		at = s.last + max(time.Millisecond, now.Sub(s.sent))
		s.origin = captured.Add(-at)
	}
	s.last, s.sent = at, now
	return at
}

// measure computes rates about once a second.
func (s *sender) measure(now time.Time) {
	p, took := s.publisher, now.Sub(s.measured).Seconds()
	if took < 1 {
		return
	}
	frames, bytes := p.frames.Load(), p.bytes.Load()
	p.fps.Store(math.Float64bits(float64(frames-s.frames) / took))
	p.rate.Store(math.Float64bits(float64(bytes-s.bytes) / took))
	s.frames, s.bytes, s.measured = frames, bytes, now
}

// connected notes that the server takes the stream.
func (p *Publisher) connected(now time.Time) {
	p.fps.Store(0)
	p.rate.Store(0)
	p.mu.Lock()
	p.since, p.problem = now, ""
	p.connections++
	shown := p.shown
	p.mu.Unlock()
	p.config.Log.Info("publish: connected", zap.String("url", shown))
}
