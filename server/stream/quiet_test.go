package stream_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A stalled viewer is disconnected even without other activity: no other viewer, no further frame.
func TestStalledViewerIsClosedWithoutActivity(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.StallTimeout = 2 * time.Second })
	ask(t, "tcp", address(s), streamRequest)
	eventually(t, "a viewer", func() bool { return s.State().Server.Viewers == 1 })
	eventually(t, "it is in the middle of a frame", func() bool {
		feed.publish(t, checked(1, 200<<10))
		now := s.State().Server
		return now.Total.Stalled == 1 || now.Total.Bytes > now.Total.Frames*(200<<10)+(100<<10)
	})
	eventually(t, "it is closed", func() bool { return s.State().Server.Total.Stalled == 1 })
	eventually(t, "the feed is notified", func() bool { return feed.watching.Load() == 0 })
}

// A viewer's rates in /state cover the last second even if no frame was published in it.
func TestViewerRatesFallWhenNothingIsPublished(t *testing.T) {
	s, feed := serve(t, nil)
	go func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }(ask(t, "tcp", address(s), streamRequest))
	stop := feed.stream(t, 30, func(i int) []byte { return checked(i, 1000) })
	eventually(t, "the frame rate rises", func() bool { return s.State().Server.FPS > 0 })
	stop()
	eventually(t, "the rates fall", func() bool { return s.State().Server.FPS == 0 && s.State().Server.BytesPerSec == 0 })
}

// A rate-limited viewer that was not due when the last frame was published still gets it.
func TestLastFrameReachesRateLimitedViewer(t *testing.T) {
	cert, key := certificate(t)
	for name, configure := range map[string]func(*config){"tcp": nil, "tls": func(c *config) { c.TLSCert, c.TLSKey = cert, key }} {
		t.Run(name, func(t *testing.T) {
			s, feed := serve(t, configure)
			conn := ask(t, "tcp", address(s), "")
			if name == "tls" {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			if _, err := io.WriteString(conn, "GET /stream?fps=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a viewer", func() bool { return s.State().Server.Viewers == 1 })
			feed.publish(t, checked(1, 1000))
			reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first frame is sent", func() bool { return s.State().Server.Total.Frames == 1 })
			feed.publish(t, checked(2, 1000))
			feed.publish(t, checked(3, 1000))
			if err := readBody(reply, 2); err != nil {
				t.Error(err)
			}
		})
	}
}

// A viewer that dies in the middle of a frame releases its slot, with or without a FIN.
func TestViewersDyingMidFrameReleaseSlots(t *testing.T) {
	s, feed := serve(t, nil)
	for i := range 20 {
		conn := ask(t, "tcp", address(s), streamRequest)
		eventually(t, "a viewer", func() bool { return s.State().Server.Viewers == 1 })
		eventually(t, "it is in the middle of a frame", func() bool {
			feed.publish(t, checked(i, 200<<10))
			time.Sleep(time.Millisecond)
			return feed.ring.Free() == 14 // it holds one in addition to the newest
		})
		if i%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0) // close sends a reset
		}
		conn.Close()
		eventually(t, "it is gone", func() bool { return s.State().Server.Viewers == 0 })
		if free := feed.ring.Free(); free != 15 {
			t.Fatalf("%d of 16 slots are free after viewer %d", free, i+1)
		}
	}
}
