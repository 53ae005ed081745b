package stream_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server"
	"github.com/maixstream/maixstream/server/stream"
)

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

// Close ends everything within two seconds whatever viewers do, leaks no goroutine or descriptor, and frees the port.
func TestCloseUnderLoad(t *testing.T) {
	for _, secure := range []bool{false, true} {
		before := goleak.IgnoreCurrent()
		r, err := ring.New(ring.Config{Slots: 16, SlotSize: 256 << 10, Envelope: stream.Envelope()})
		if err != nil {
			t.Fatal(err)
		}
		feed := &ringFeed{ring: r}
		s, err := show(feed, func(c *config) {
			if secure {
				c.TLSCert, c.TLSKey = certificate(t)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		where := address(s)
		stop := feed.stream(t, 60, func(i int) []byte { return checked(i, 100<<10) })
		var conns []net.Conn
		var readers []chan struct{}
		for i := range 40 {
			var conn net.Conn
			if secure {
				if conn, err = tls.Dial("tcp", where, &tls.Config{InsecureSkipVerify: true}); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, streamRequest); err != nil {
					t.Fatal(err)
				}
			} else {
				conn = ask(t, "tcp", where, streamRequest)
			}
			conns = append(conns, conn)
			if i%2 == 0 { // the others never read
				done := make(chan struct{})
				readers = append(readers, done)
				go func() {
					defer close(done)
					_, _ = io.Copy(io.Discard, conn)
				}()
			}
		}
		conns = append(conns, ask(t, "tcp", where, "GET / HTT")) // in the middle of a request
		eventually(t, "40 viewers", func() bool { return s.State().Server.Viewers == 40 && s.State().Server.Total.Frames > 100 })
		began := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		// The limit is two seconds; a loaded machine with the race detector gets more, but less than any viewer's or request's timeout.
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("TLS %v: Close took %v", secure, took)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, done := range readers { // their connections have ended
			<-done
		}
		for _, conn := range conns {
			conn.Close()
		}
		stop()
		if n := feed.watching.Load(); n != 0 {
			t.Errorf("TLS %v: %d viewers still watch", secure, n)
		}
		l, err := net.Listen("tcp", where)
		if err != nil {
			t.Fatalf("TLS %v: the port is not free: %v", secure, err)
		}
		l.Close()
		if free := r.Free(); free != 15 { // all but the newest frame's
			t.Errorf("TLS %v: %d of 16 slots are free", secure, free)
		}
		r.Close()
		goleak.VerifyNone(t, before)
	}
}

// Streams over TLS and over a Unix socket equal that over TCP.
func TestStreamOverTLSAndUnixSocket(t *testing.T) {
	cert, key := certificate(t)
	path := filepath.Join(t.TempDir(), "socket")
	stale, err := net.Listen("unix", path) // left behind by a killed server
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	s, feed := serve(t, func(c *config) { c.TLSCert, c.TLSKey, c.Unix = cert, key, path })
	if urls := s.URLs(); !strings.HasPrefix(urls[0], "https://127.0.0.1:") || urls[1] != "unix:"+path {
		t.Errorf("URLs: %v", urls)
	}
	feed.stream(t, 60, func(i int) []byte { return checked(i, 90<<10) })
	over, err := tls.Dial("tcp", address(s), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	if _, err := io.WriteString(over, streamRequest); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"tls": over, "unix": ask(t, "unix", path, streamRequest)} {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err := readParts(conn, 50); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	transports := map[string]bool{}
	for _, v := range s.State().Server.List {
		transports[v.Transport] = true
	}
	if !transports["tls"] || !transports["unix"] {
		t.Errorf("viewers: %+v", s.State().Server.List)
	}
	reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state", ""))
	if reply.StatusCode != 200 {
		t.Errorf("state over TLS: %d", reply.StatusCode)
	}
}

func TestStalledTLSViewerIsClosed(t *testing.T) {
	cert, key := certificate(t)
	s, feed := serve(t, func(c *config) { c.TLSCert, c.TLSKey, c.StallTimeout = cert, key, time.Second })
	feed.stream(t, 60, func(i int) []byte { return checked(i, 200<<10) })
	conn, err := tls.Dial("tcp", address(s), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, streamRequest); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is closed", func() bool { return s.State().Server.Total.Stalled == 1 })
}

func TestStreamerShowsWrittenPictures(t *testing.T) {
	stream := server.NewJPEGStreamer(server.StreamerConfig{Host: "127.0.0.1", Port: -1})
	if err := stream.WriteBytes(picture(t, 0)); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("write before start: %v", err)
	}
	stream.SetHTML("<h1>mine</h1><img src='/stream'>")
	for range 2 { // it can be restarted
		if err := stream.Start(); err != nil {
			t.Fatal(err)
		}
		if err := stream.Start(); err == nil {
			t.Error("started twice")
		}
		url := "http://" + net.JoinHostPort(stream.Host(), strconv.Itoa(stream.Port()))
		if reply, _ := get(t, request(t, "GET", url+"/snapshot", "")); reply.StatusCode != 503 {
			t.Errorf("snapshot before the first picture: %d", reply.StatusCode)
		}
		jpg := picture(t, 5)
		if err := stream.Write(borrowed(jpg)); err != nil {
			t.Fatal(err)
		}
		if _, body := get(t, request(t, "GET", url+"/snapshot?max_age=1m", "")); body != string(jpg) {
			t.Errorf("snapshot has %d bytes, want %d", len(body), len(jpg))
		}
		if _, body := get(t, request(t, "GET", url+"/", "")); body != "<h1>mine</h1><img src='/stream'>" {
			t.Errorf("page: %q", body)
		}
		for name, c := range map[string]struct {
			jpg  []byte
			want error
		}{
			"nothing":   {nil, frame.ErrBadPicture},
			"text":      {[]byte("<html>no picture</html>"), frame.ErrBadPicture},
			"cut off":   {jpg[:len(jpg)/2], frame.ErrBadPicture},
			"too large": {append(jpg[:len(jpg)-2:len(jpg)-2], append(make([]byte, 3<<20), 0xff, 0xd9)...), frame.ErrTooLarge},
		} {
			if err := stream.WriteBytes(c.jpg); err == nil || !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", name, err, c.want)
			}
		}
		if err := stream.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := stream.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// borrowed is a picture in the form that Write accepts.
type borrowed []byte

func (l borrowed) Borrow() []byte { return l }

// readParts reads n whole parts of a stream in its plain form and checks each.
func readParts(conn io.Reader, n int) error {
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	return readBody(reply, n)
}

// readBody is readParts after the reply's headers.
func readBody(reply *http.Response, n int) error {
	_, parameters, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(reply.Body, parameters["boundary"])
	for range n {
		part, err := parts.NextPart()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if strconv.Itoa(len(b)) != part.Header.Get("Content-Length") {
			return fmt.Errorf("%d bytes, but Content-Length %s", len(b), part.Header.Get("Content-Length"))
		}
		if err := check(b); err != nil {
			return err
		}
	}
	return nil
}
