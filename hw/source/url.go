package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/internal/httpauth"
)

// IsURL reports whether name is a URL, whether or not its scheme is supported.
func IsURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.:\\ ")
}

// openTimeout bounds the wait for a server's first byte.
const openTimeout = 5 * time.Second

// openURL asks a server for its stream, or for its picture again and again. A server that is away may come: the error wraps frame.ErrGone then.
func openURL(address string, o Options) (frame.Source, error) {
	site, err := newSite(address, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	reply, err := site.get(ctx, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", frame.ErrGone, err)
	}
	body := &streamBody{reply.Body, cancel}
	if err := site.refusal(reply); err != nil {
		_ = body.Close()
		return nil, err
	}
	if isPicture(reply) {
		defer func() { _ = body.Close() }()
		return newPolled(site, reply, o)
	}
	stream, err := mjpeg.NewStream(body, site.name, "stream", mjpeg.Config{FPS: o.FPS})
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return &streamSource{stream, site.name}, nil
}

// site is an address that pictures come from.
type site struct {
	address string
	name    string // without secrets
	client  *http.Client
}

func newSite(address string, o Options) (*site, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("not a URL such as http://HOST:8000/stream")
	}
	shown := *u
	shown.User, shown.RawQuery, shown.Fragment = nil, "", "" // secrets
	s := &site{name: shown.String()}
	switch u.Scheme { // url.Parse has made it lower case
	case "http", "https":
	case "rtsp", "rtsps", "rtmp", "rtp", "udp", "srt":
		return nil, &schemeError{u.Scheme, shown.String()}
	default:
		return nil, fmt.Errorf("%s is not supported: http or https", u.Scheme)
	}
	credentials, err := httpauth.Find(u, o.AuthFile)
	if err != nil {
		return nil, err
	}
	u.User = nil
	s.address = u.String()
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: openTimeout}).DialContext, TLSHandshakeTimeout: openTimeout,
		ResponseHeaderTimeout: openTimeout, DisableCompression: true, ReadBufferSize: 64 << 10, IdleConnTimeout: time.Minute, MaxIdleConns: 2,
	}
	s.client = &http.Client{Transport: httpauth.Transport(transport, u, credentials), CheckRedirect: checkRedirect}
	return s, nil
}

// schemeError is an address of a kind that is no source.
type schemeError struct{ scheme, address string }

func (e *schemeError) Error() string {
	return fmt.Sprintf("%s is not a source; ffmpeg makes one of it: ffmpeg -i %s -c:v mjpeg -q:v 3 -f mjpeg - | maixstream serve -s -", strings.ToUpper(e.scheme), e.address)
}

// Is makes it a frame.ErrUnsupported, whose own words would add nothing.
func (e *schemeError) Is(target error) bool { return target == frame.ErrUnsupported }

// checkRedirect allows what gives nothing away: no step from https to http. To another host net/http drops credentials, and the Referer, which may have a token
// in its query, is dropped here.
func checkRedirect(r *http.Request, via []*http.Request) error {
	before := via[len(via)-1]
	switch {
	case len(via) >= 10:
		return errors.New("more than 10 redirects")
	case before.URL.Scheme == "https" && r.URL.Scheme != "https":
		return fmt.Errorf("the server redirects from https to %s://%s: refused", r.URL.Scheme, r.URL.Host)
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return fmt.Errorf("the server redirects to %s, which is not supported", r.URL.Scheme)
	}
	r.Header.Del("Referer")
	return nil
}

// get sends one request.
func (s *site) get(ctx context.Context, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address, nil)
	if err != nil {
		return nil, errors.New("not a URL such as http://HOST:8000/stream")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "maixstream")
	reply, err := s.client.Do(r)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	return reply, nil
}

// refusal says what is wrong with a reply; nil: nothing. What may be different later wraps frame.ErrGone.
func (s *site) refusal(reply *http.Response) error {
	kind := reply.Header.Get("Content-Type")
	switch code := reply.StatusCode; {
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fmt.Errorf("%w: the server replied %s", frame.ErrGone, reply.Status)
	case code == http.StatusUnauthorized:
		return fmt.Errorf("the server replied %s: it wants a user and password that are right (in the URL or a file)", reply.Status)
	case code != http.StatusOK:
		return fmt.Errorf("the server replied %s", reply.Status)
	case strings.HasPrefix(kind, "text/"):
		return fmt.Errorf("this is %s, not a stream of JPEG: maixstream's is at /stream, others have it at /?action=stream", kind)
	}
	return nil
}

// isPicture reports whether a reply is a single picture rather than a stream.
func isPicture(reply *http.Response) bool {
	kind, _, _ := strings.Cut(strings.ToLower(reply.Header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	switch {
	case strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "video/"):
		return false
	case strings.HasPrefix(kind, "image/"):
		return true
	}
	return reply.ContentLength > 0 && reply.ContentLength <= maxPolled
}

// streamSource is another server's stream.
type streamSource struct {
	*mjpeg.Stream
	name string
}

// ReadJPEG implements frame.JPEGSource. A stream has no end in order: a server that stops may come back.
func (s *streamSource) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	err := s.Stream.ReadJPEG(ctx, dst, p)
	switch {
	case errors.Is(err, frame.ErrEnd):
		return fmt.Errorf("%s: %w: the server ended the stream", s.name, frame.ErrGone)
	case errors.Is(err, frame.ErrNoPicture):
		return fmt.Errorf("%w: %w", frame.ErrGone, err)
	}
	return err
}

// streamBody is a reply's body whose Close ends a read that waits.
type streamBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *streamBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}
