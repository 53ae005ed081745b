package stream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// client returns an HTTP/1.1 or HTTP/2 client with its own connections.
func client(t *testing.T, two bool) *http.Client {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: two, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func openStream(t *testing.T, c *http.Client, url string) (*http.Response, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reply.Body.Close() })
	return reply, cancel
}

// Over HTTP/2, ten streams, snapshots and changes share a connection.
func TestStreamsOverHTTP2(t *testing.T) {
	cert, key := certificate(t)
	s, feed := serve(t, func(c *config) { c.TLSCert, c.TLSKey = cert, key })
	feed.stream(t, 30, func(i int) []byte { return checked(i, 30<<10) })
	two := client(t, true)
	var last func()
	for range 10 {
		reply, cancel := openStream(t, two, s.URLs()[0]+"/stream")
		if reply.ProtoMajor != 2 || reply.Header.Get("Connection") != "" {
			t.Fatalf("%s, Connection: %s", reply.Proto, reply.Header.Get("Connection"))
		}
		if err := readBody(reply, 3); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, reply.Body) }()
		last = cancel
	}
	eventually(t, "ten viewers", func() bool { return s.State().Server.Viewers == 10 })
	addresses := map[string]bool{}
	for _, v := range s.State().Server.List {
		if addresses[v.Address] = true; v.Transport != "h2" || v.Form != "plain" {
			t.Errorf("viewer: %+v", v)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections, want one", len(addresses))
	}
	r := request(t, "PATCH", s.URLs()[0]+"/api/settings", `{"quality": 55}`, "Content-Type", "application/json")
	if reply, err := two.Do(r); err != nil || reply.StatusCode != http.StatusOK {
		t.Errorf("change: %v %v", reply, err)
	}
	last()
	eventually(t, "who leaves is gone at once", func() bool { return s.State().Server.Viewers == 9 && feed.watching.Load() == 9 })
}

// A stalled viewer over HTTP/2 is closed, others on its connection are not.
func TestStalledViewerOverHTTP2(t *testing.T) {
	cert, key := certificate(t)
	s, feed := serve(t, func(c *config) { c.TLSCert, c.TLSKey, c.StallTimeout = cert, key, time.Second })
	feed.stream(t, 30, func(i int) []byte { return checked(i, 200<<10) })
	two := client(t, true)
	openStream(t, two, s.URLs()[0]+"/stream") // not read: its flow-control window fills
	eventually(t, "it is closed", func() bool { return s.State().Server.Total.Stalled == 1 })
	reply, _ := openStream(t, two, s.URLs()[0]+"/stream")
	if err := readBody(reply, 10); err != nil {
		t.Error(err)
	}
}

// HTTP/2 adds no latency over HTTP/1.1: both viewers get the same frames at the same time.
func TestFramesOverHTTP2AreNotLater(t *testing.T) {
	testenv.Long(t, "150 frames at 30 fps")
	const frames, interval = 150, time.Second / 30
	cert, key := certificate(t)
	s, feed := serve(t, func(c *config) { c.TLSCert, c.TLSKey = cert, key })
	arrivals := [2]map[string]time.Time{{}, {}} // by the frame's sequence number
	done := make(chan error, 2)
	for i, two := range []bool{false, true} {
		reply, _ := openStream(t, client(t, two), s.URLs()[0]+"/stream")
		parts := multipart.NewReader(reply.Body, "frame")
		go func() {
			for len(arrivals[i]) < frames {
				part, err := parts.NextPart()
				if err == nil {
					_, err = io.Copy(io.Discard, part)
				}
				if err != nil {
					done <- err
					return
				}
				arrivals[i][part.Header.Get("X-Timestamp")] = time.Now()
			}
			done <- nil
		}()
	}
	eventually(t, "two viewers", func() bool { return s.State().Server.Viewers == 2 })
	feed.stream(t, 30, func(i int) []byte { return checked(i, 100<<10) })
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var later []time.Duration
	for stamp, first := range arrivals[0] {
		if second, both := arrivals[1][stamp]; both {
			later = append(later, second.Sub(first))
		}
	}
	slices.Sort(later)
	if len(later) < frames/2 {
		t.Fatalf("only %d of %d frames reached both", len(later), frames)
	}
	median, p95 := later[len(later)/2], later[len(later)*95/100]
	t.Logf("over HTTP/2 a frame of 100 KiB comes %v later than over HTTP/1.1 in the median, p5 %v, p95 %v", median, later[len(later)/20], p95)
	if median > interval/2 {
		t.Errorf("HTTP/2 adds %v in the median", median)
	}
}

// H.264 works over HTTP/2, too.
func TestVideoOverHTTP2(t *testing.T) {
	cert, key := certificate(t)
	s, _ := showVideo(t, func(c *config) { c.TLSCert, c.TLSKey = cert, key }, nil)
	reply, cancel := openStream(t, client(t, true), s.URLs()[0]+"/video.mp4")
	if reply.ProtoMajor != 2 || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", reply.Proto, reply.Status)
	}
	b := &boxes{t: t, r: bufio.NewReader(reply.Body)}
	for range 10 {
		if _, err := b.next(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	eventually(t, "the viewer is gone", func() bool { return s.State().Server.Viewers == 0 })
}
