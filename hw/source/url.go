package source

import (
	"bytes"
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
	"github.com/maixstream/maixstream/internal/retryafter"
)

// IsURL reports whether name is a URL, whether or not its scheme is supported.
func IsURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.:\\ ")
}

// openTimeout bounds the wait for a server's first byte.
const openTimeout = 5 * time.Second

// openURL opens a server's stream, or polls its picture. While the server is unreachable, the error wraps frame.ErrGone.
func openURL(address string, o Options) (frame.Source, error) {
	site, err := newSite(address, o)
	if err != nil {
		return nil, err
	}
	return site.open(o)
}

func (s *site) open(o Options) (frame.Source, error) {
	ctx, cancel := context.WithCancel(context.Background())
	reply, err := s.get(ctx, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", frame.ErrGone, err)
	}
	err = s.refusal(reply)
	single := err == nil && isPicture(reply)
	body := &streamBody{reply.Body, cancel}
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	if single {
		defer func() { _ = body.Close() }()
		return newPolled(s, reply, o)
	}
	stream, err := mjpeg.NewStream(body, s.name, "stream", mjpeg.Config{FPS: o.FPS})
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return &streamSource{stream, s.name}, nil
}

// site is the address of a stream or picture.
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
	switch u.Scheme { // url.Parse has lower-cased it
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

// schemeError is the error for a URL scheme that ffmpeg supports but this package does not.
type schemeError struct{ scheme, address string }

func (e *schemeError) Error() string {
	return fmt.Sprintf("%s is not a source; ffmpeg makes one of it: ffmpeg -i %s -c:v mjpeg -q:v 3 -f mjpeg - | maixstream serve -s -", strings.ToUpper(e.scheme), e.address)
}

// Is makes it a frame.ErrUnsupported without adding that error's text.
func (e *schemeError) Is(target error) bool { return target == frame.ErrUnsupported }

// checkRedirect refuses redirects that would reveal secrets: from https to http. To another host, net/http drops credentials; the Referer, whose query may
// contain a token, is dropped here.
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
		if strings.Contains(err.Error(), "malformed HTTP response") { // the error has the reply's beginning, whatever that is
			err = errors.New("the reply is not HTTP")
		}
		return nil, err
	}
	return reply, nil
}

// refusal reports why a reply cannot be used, or nil. Errors that may be temporary wrap frame.ErrGone.
func (s *site) refusal(reply *http.Response) error {
	kind := reply.Header.Get("Content-Type")
	switch code := reply.StatusCode; {
	case code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests:
		if wait := retryafter.Wait(reply.Header, time.Now(), retryafter.DefaultLimit); wait > 0 {
			return &frame.BusyError{Status: reply.Status, Wait: wait}
		}
		return fmt.Errorf("%w: the server replied %s", frame.ErrGone, reply.Status)
	case code >= 500 || code == http.StatusRequestTimeout:
		return fmt.Errorf("%w: the server replied %s", frame.ErrGone, reply.Status)
	case code == http.StatusUnauthorized:
		return fmt.Errorf("the server replied %s: set a valid user and password in the URL or a file", reply.Status)
	case code != http.StatusOK:
		return fmt.Errorf("the server replied %s", reply.Status)
	case strings.HasPrefix(kind, "text/") && !beginsAsJPEG(reply):
		return fmt.Errorf("the reply is %s, not a stream of JPEG: maixstream streams at /stream, others at /?action=stream", kind)
	}
	return nil
}

// beginsAsJPEG looks at a reply's first bytes: some cameras call a picture text.
func beginsAsJPEG(reply *http.Response) bool {
	body := reply.Body
	timer := time.AfterFunc(stalled, func() { _ = body.Close() })
	defer timer.Stop()
	var head [2]byte
	n, _ := io.ReadFull(body, head[:]) // an error comes again
	reply.Body = &peeked{io.MultiReader(bytes.NewReader(head[:n]), body), body}
	return n == len(head) && head == [2]byte{0xff, 0xd8}
}

// peeked is a body whose beginning was read.
type peeked struct {
	io.Reader
	io.Closer
}

// isPicture reports whether a reply is a single picture rather than a stream. If its headers do not tell, its beginning does.
func isPicture(reply *http.Response) bool {
	kind, _, _ := strings.Cut(strings.ToLower(reply.Header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	picture := strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "text/") // of text only pictures come here
	switch {
	case strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "video/"):
		return false
	case reply.ContentLength > 0:
		return picture || reply.ContentLength <= maxPolled
	}
	return endsAfterPicture(reply, picture) // some cameras call an endless stream image/jpeg
}

// streamSource is another server's stream.
type streamSource struct {
	*mjpeg.Stream
	name string
}

// ReadJPEG implements frame.JPEGSource. The end of the stream is always frame.ErrGone: the server may come back.
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

// streamBody is a reply's body whose Close interrupts a blocked read.
type streamBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *streamBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}
