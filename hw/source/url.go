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
)

// IsURL says whether name is another server's stream.
func IsURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// streamSource is another server's /stream.
type streamSource struct {
	*mjpeg.Stream
	name string
}

// openTimeout bounds the wait for a stream's first byte.
const openTimeout = 5 * time.Second

// OpenURL asks a server for its stream. A server that is away may come: the error wraps frame.ErrGone then.
func OpenURL(address string, fps float64) (frame.Source, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("not a URL like http://HOST:8000/stream")
	}
	shown := *u
	shown.User, shown.RawQuery = nil, "" // secrets
	name := shown.String()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: openTimeout}).DialContext, TLSHandshakeTimeout: openTimeout,
		ResponseHeaderTimeout: openTimeout, DisableKeepAlives: true, DisableCompression: true,
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open source %s: not a URL like http://HOST:8000/stream", name)
	}
	reply, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		cancel()
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("open source %s: %w: %w", name, frame.ErrGone, err)
	}
	in := &streamBody{reply.Body, cancel}
	kind := reply.Header.Get("Content-Type")
	switch {
	case reply.StatusCode >= 500:
		err = fmt.Errorf("open source %s: %w: %s", name, frame.ErrGone, reply.Status)
	case reply.StatusCode != http.StatusOK:
		err = fmt.Errorf("open source %s: the server says %s", name, reply.Status)
	case strings.HasPrefix(kind, "text/"):
		err = fmt.Errorf("open source %s: this is %s, not a stream of JPEG: maixstream's is at /stream, others have it at /?action=stream", name, kind)
	}
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	stream, err := mjpeg.NewStream(in, name, mjpeg.Config{FPS: fps})
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return &streamSource{stream, name}, nil
}

// Info implements frame.Source.
func (s *streamSource) Info() frame.Info {
	info := s.Stream.Info()
	info.Kind = "stream"
	return info
}

// ReadJPEG implements frame.JPEGSource. A stream has no end in order: a server that stops may come back.
func (s *streamSource) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	err := s.Stream.ReadJPEG(ctx, dst, p)
	if errors.Is(err, frame.ErrEnd) {
		return fmt.Errorf("%s: %w: the server ended the stream", s.name, frame.ErrGone)
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
