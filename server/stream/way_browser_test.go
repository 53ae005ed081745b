package stream_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/whep"
)

// narrow passes connections on to a server, and lets no more than so many bytes a second back.
type narrow struct {
	URL  string
	rate atomic.Int64 // bytes a second of all connections together; 0: as many as come
	mu   sync.Mutex
	free time.Time // when the link has sent what it was given
}

// throttled begins a narrow link to a server, with small buffers, as a link has them.
func throttled(t *testing.T, s *shown) *narrow {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &narrow{URL: "http://" + l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		l.Close()
		running.Wait()
	})
	small := func(option int) func(string, string, syscall.RawConn) error {
		return func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 16<<10) })
		}
	}
	dial := net.Dialer{Control: small(syscall.SO_RCVBUF)}
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				_ = client.(*net.TCPConn).SetWriteBuffer(16 << 10)
				server, err := dial.DialContext(ctx, "tcp", address(s))
				if err != nil {
					return
				}
				defer server.Close()
				defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
				running.Go(func() {
					_, _ = io.Copy(server, client)
					_ = server.(*net.TCPConn).CloseWrite()
				})
				n.pass(ctx, client, server)
			})
		}
	})
	return n
}

// pass hands on what comes, a packet at a time, each when the link has sent those before.
func (n *narrow) pass(ctx context.Context, to io.Writer, from io.Reader) {
	buffer := make([]byte, 4<<10)
	for {
		count, err := from.Read(buffer)
		if count > 0 {
			if rate := n.rate.Load(); rate > 0 {
				n.mu.Lock()
				if now := time.Now(); n.free.Before(now) {
					n.free = now
				}
				n.free = n.free.Add(time.Duration(count) * time.Second / time.Duration(rate))
				wait := time.Until(n.free)
				n.mu.Unlock()
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
			if _, err := to.Write(buffer[:count]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func TestPageWay(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){
		"choice":         pageChooses,
		"link throttled": pageThrottled,
		"chosen by hand": pageByHand,
		"no H.264":       pageWithoutVideo,
	})
}

// video serves a picture with much detail, for JPEGs ten times as large as the video's pictures.
func showWays(t *testing.T, webRTC bool) (*shown, *pipeline.Pipeline) {
	t.Helper()
	return showVideo(t, func(c *config) {
		if !webRTC {
			return
		}
		server, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		c.Stream.WebRTC = server
	}, func(c *pipeline.Config) {
		c.Settings.Quality, c.Settings.FPS, c.Settings.Width, c.Settings.Height, c.Settings.Bitrate = 90, 20, 640, 480, 300_000
	})
}

// The link is made too slow for the JPEGs, and fast again: the page goes over to video, and back.
func pageThrottled(t *testing.T, b tab) {
	s, _ := showWays(t, false)
	link := throttled(t, s)
	b.open(t, link.URL)
	wait(t, b, "JPEGs", live+` && way.now === "jpeg" && total.frames > 40`)
	jpeg := s.State().Newest.Bytes * 20
	video := 300_000 / 8
	if jpeg < 4*video {
		t.Fatalf("JPEGs have %d bytes a second, video %d", jpeg, video)
	}
	link.rate.Store(int64(2 * video))
	wait(t, b, "video", live+` && way.now === "mse"`)
	wait(t, b, "its measurements", `parseFloat(document.getElementById("short-fps").textContent) > 8 && parseFloat(document.getElementById("delay").textContent) > 0`)
	t.Logf("throttled to %d kB/s of %d: %s, delay %s", 2*video/1000, jpeg/1000, text(t, b, "short-fps"), text(t, b, "delay"))
	link.rate.Store(0)
	wait(t, b, "JPEGs again", live+` && way.now === "jpeg" && !video`)
}

func pageChooses(t *testing.T, b tab)      {}
func pageByHand(t *testing.T, b tab)       {}
func pageWithoutVideo(t *testing.T, b tab) {}

var (
	_ = strings.Cut
	_ = strconv.Itoa
)
