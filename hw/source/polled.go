package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/drops"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/pace"
)

const (
	// pollFPS is the default rate of requests.
	pollFPS = 1
	// maxPolled limits a picture's size in bytes.
	maxPolled = 32 << 20
	// stalled is how long a server may send nothing before a request is given up. There is no limit to a whole reply: a large picture over a slow link
	// takes its time.
	stalled = 2 * openTimeout
	// slow is how long a request takes from which on it, and not the wanted rate, determines the rate.
	slow = 2 * time.Second
	// maxFailures is how many requests in a row may fail before the source is considered gone.
	maxFailures = 3
)

// polled is a URL that returns a single picture per request. Requests are conditional, so that unchanged pictures are not sent again.
type polled struct {
	drops.Counter
	site     *site
	pacer    *pace.Pacer
	ctx      context.Context // until Close
	cancel   context.CancelFunc
	header   http.Header // of conditional requests
	data     []byte      // the picture as received
	info     jpegcheck.Info
	fresh    bool // data has not been delivered
	failures int
	sequence uint64
	size     atomic.Uint64 // width<<32 | height
	took     time.Duration // by the newest request
	period   atomic.Int64  // the same, if it was slow; 0: it was not
}

var (
	_ frame.JPEGSource = (*polled)(nil)
	_ frame.RateSetter = (*polled)(nil)
	_ frame.Dropper    = (*polled)(nil)
)

// newPolled returns a source for an address whose first reply is a picture.
func newPolled(s *site, first *http.Response, o Options) (*polled, error) {
	if o.FPS == 0 {
		o.FPS = pollFPS
	}
	if err := pace.CheckFPS(o.FPS); err != nil {
		return nil, err
	}
	p := &polled{site: s, pacer: pace.New(o.FPS), header: http.Header{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	began := time.Now()
	err := p.take(first)
	p.took = time.Since(began)
	if err != nil {
		p.cancel()
		return nil, err
	}
	return p, nil
}

// take reads a reply's picture.
func (p *polled) take(reply *http.Response) error {
	body := steady{reply.Body, time.AfterFunc(stalled, func() { _ = reply.Body.Close() })}
	data, err := io.ReadAll(io.LimitReader(&body, maxPolled+1))
	if expired := !body.timer.Stop(); expired && isWhole(data) {
		err = nil // some servers do not end a reply
	} else if expired {
		return fmt.Errorf("%w: the server has sent nothing for %v", frame.ErrGone, stalled)
	}
	if err != nil {
		// Some servers announce more than they send.
		if !errors.Is(err, io.ErrUnexpectedEOF) || !isWhole(data) {
			return fmt.Errorf("%w: %w", frame.ErrGone, err)
		}
	}
	if len(data) > maxPolled {
		return fmt.Errorf("the picture is larger than %d MiB: %w", maxPolled>>20, frame.ErrBadPicture)
	}
	info, err := jpegcheck.Parse(data)
	if err != nil {
		return err
	}
	p.data, p.info, p.fresh = data, info, true
	p.size.Store(uint64(info.Width)<<32 | uint64(info.Height))
	clear(p.header)
	if tag := reply.Header.Get("ETag"); tag != "" {
		p.header.Set("If-None-Match", tag)
	}
	if date := reply.Header.Get("Last-Modified"); date != "" {
		p.header.Set("If-Modified-Since", date)
	}
	return nil
}

func isWhole(jpg []byte) bool {
	info, err := jpegcheck.Parse(jpg)
	return err == nil && info.Whole()
}

// steady is a body that is closed when nothing has arrived for a while.
type steady struct {
	io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (s *steady) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if n > 0 && s.timer.Stop() {
		s.timer.Reset(stalled)
	}
	return n, err
}

// Info implements frame.Source. The rate is below the wanted one if the server is slower.
func (p *polled) Info() frame.Info {
	size, fps := p.size.Load(), p.pacer.FPS()
	if period := p.period.Load(); period > 0 {
		fps = min(fps, float64(time.Second)/float64(period))
	}
	return frame.Info{Name: p.site.name, Kind: "polled", Encoder: "pass-through", Width: int(size >> 32), Height: int(uint32(size)), FPS: fps}
}

// ReadJPEG implements frame.JPEGSource. A picture that the server reports as unchanged counts as captured now.
func (p *polled) ReadJPEG(ctx context.Context, dst []byte, picture *frame.Picture) error {
	if ctx == nil || picture == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	for {
		if _, err := p.pacer.Wait(ctx, p.errClosed()); err != nil {
			return err
		}
		if err := p.poll(ctx); err != nil {
			switch {
			case p.ctx.Err() != nil:
				return p.errClosed()
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, frame.ErrBadPicture):
				p.Drop(err)
				continue
			}
			var busy *frame.BusyError
			if errors.As(err, &busy) {
				if busy.Wait > slow {
					return fmt.Errorf("%s: %w", p.site.name, err)
				}
				p.rest(ctx, busy.Wait)
			}
			// A picture's file may be missing while it is replaced, and a busy camera may reply with a page.
			if p.failures++; p.failures >= maxFailures || errors.Is(err, frame.ErrReopen) {
				return fmt.Errorf("%s: %w", p.site.name, err)
			}
			continue
		}
		p.failures, p.fresh = 0, false
		if p.took < slow {
			p.took = 0
		}
		p.period.Store(int64(p.took))
		n := jpegcheck.Complete(dst, p.data, &p.info)
		if n == 0 {
			return &frame.TooLargeError{Size: p.info.CompleteSize(), Limit: len(dst), Width: p.info.Width, Height: p.info.Height}
		}
		p.sequence++
		*picture = frame.Picture{Size: n, Width: p.info.Width, Height: p.info.Height, Captured: time.Now(), Sequence: p.sequence}
		return nil
	}
}

// rest waits as a server asks, or until the source is closed or ctx is done.
func (p *polled) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
}

func (p *polled) errClosed() error { return fmt.Errorf("%s: %w: closed", p.site.name, frame.ErrEnd) }

// poll fetches the current picture.
func (p *polled) poll(ctx context.Context) error {
	if p.fresh { // the first one
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	began := time.Now()
	defer func() { p.took = time.Since(began) }()
	reply, err := p.site.get(ctx, p.header)
	if err != nil {
		return fmt.Errorf("%w: %w", frame.ErrGone, err)
	}
	defer reply.Body.Close()
	if reply.StatusCode == http.StatusNotModified { // some say so unasked
		return nil
	}
	if err := p.site.refusal(reply); err != nil {
		return err
	}
	if !isPicture(reply) {
		return fmt.Errorf("%w: the server sends a stream now", frame.ErrReopen)
	}
	return p.take(reply)
}

// SetFPS implements frame.RateSetter.
func (p *polled) SetFPS(fps float64) error { return p.pacer.SetFPS(fps) }

// Close implements frame.Source.
func (p *polled) Close() error {
	p.pacer.Close()
	p.cancel()
	p.site.client.CloseIdleConnections()
	return nil
}
