package stream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// config holds the settings of a shell and its stream that tests may change.
type config struct {
	web.Config
	Stream stream.Config
	Mounts map[string]http.Handler // in addition to the stream, by prefix
}

// testServer is a stream mounted at a shell's root.
type testServer struct {
	*web.Server
	stream *stream.Handler
}

// show serves a feed on a free loopback port. The caller closes it.
func show(feed stream.Feed, change func(*config)) (*testServer, error) {
	c := config{Config: web.Config{Listen: []string{"127.0.0.1:0"}}, Stream: stream.Config{Feed: feed, Version: "test"}}
	if change != nil {
		change(&c)
	}
	shell, err := web.New(c.Config)
	if err != nil {
		return nil, err
	}
	c.Stream.Shell, c.Stream.StallTimeout = shell, c.StallTimeout
	h, err := stream.New(c.Stream)
	if err != nil {
		return nil, err
	}
	shell.Mount("/", h)
	for prefix, handler := range c.Mounts {
		shell.Mount(prefix, handler)
	}
	s := &testServer{shell, h}
	if err := shell.Start(); err != nil {
		h.Close()
		return nil, err
	}
	return s, nil
}

func (s *testServer) State() stream.State { return s.stream.State() }

func (s *testServer) Close(ctx context.Context) error {
	s.stream.Close()
	return s.Server.Close(ctx)
}

// serve serves a feed, which the test publishes to, until the test ends.
func serve(t testing.TB, change func(*config)) (*testServer, *ringFeed) {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 256 << 10, Envelope: stream.Envelope()})
	if err != nil {
		t.Fatal(err)
	}
	feed := &ringFeed{ring: r}
	s, err := show(feed, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		r.Close()
	})
	return s, feed
}

// address returns host:port of a server with one TCP address.
func address(s *testServer) string {
	_, host, _ := strings.Cut(s.URLs()[0], "://")
	return host
}

// publish puts one picture into the feed's ring; it returns false if no slot is free.
func (f *ringFeed) publish(t testing.TB, jpg []byte) bool {
	t.Helper()
	v, ok := f.ring.Reserve()
	if !ok {
		return false
	}
	p := frame.Picture{Size: copy(v.Buffer(f.ring), jpg), Width: 640, Height: 480, Captured: time.Now()}
	if err := f.ring.Publish(v, &p, time.Now()); err != nil {
		t.Fatal(err)
	}
	return true
}

// stream publishes next's pictures fps times per second, until the test ends or stop is called.
func (f *ringFeed) stream(t testing.TB, fps int, next func(i int) []byte) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second / time.Duration(fps))
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticker.C:
				f.publish(t, next(i))
			case <-ctx.Done():
				return
			}
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// checked returns bytes with a checksum, which no decoder would accept as a picture.
func checked(i, size int) []byte {
	b := make([]byte, size)
	for k := 8; k < size; k++ {
		b[k] = byte(k*7 + i*13)
	}
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

func check(b []byte) error {
	if len(b) < 8 || crc32.ChecksumIEEE(b[4:]) != binary.BigEndian.Uint32(b) {
		return fmt.Errorf("a picture of %d bytes is torn", len(b))
	}
	return nil
}

// picture returns a real JPEG of one colour, which depends on i.
func picture(t testing.TB, i int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 320, 240))
	c := color.RGBA{uint8(i * 40), uint8(255 - i*25), uint8(i * 90), 255}
	for k := 0; k < len(img.Pix); k += 4 {
		img.Pix[k], img.Pix[k+1], img.Pix[k+2], img.Pix[k+3] = c.R, c.G, c.B, 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ask opens a connection, sends raw bytes and leaves it open.
func ask(t testing.TB, network, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return conn
}

const streamRequest = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

var eventually = testenv.Eventually
