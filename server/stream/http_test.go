package stream_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

func get(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	reply, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(body)
}

func request(t *testing.T, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestRequestsAndReplies(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.CORS = "https://page.example" })
	jpg := picture(t, 1)
	feed.stream(t, 20, func(int) []byte { return jpg })
	const jsonType = "application/json"
	for _, c := range []struct {
		method, path, body string
		contentType        string // of the request
		code               int
		want               string // in the body, or in a header "Name: value"
	}{
		{"GET", "/", "", "", 200, `<img id="picture" src="stream"`},
		{"HEAD", "/", "", "", 200, "Content-Type: text/html; charset=utf-8"},
		{"GET", "/snapshot", "", "", 200, "Content-Type: image/jpeg"},
		{"GET", "/snapshot.jpg?max_age=5s", "", "", 200, string(jpg)},
		{"HEAD", "/snapshot", "", "", 200, fmt.Sprintf("Content-Length: %d", len(jpg))},
		{"GET", "/?action=snapshot", "", "", 200, string(jpg)},
		{"GET", "/?action=command", "", "", 400, "unknown action"},
		{"GET", "/snapshot?max_age=yesterday", "", "", 400, "max_age"},
		{"GET", "/snapshot?max_age=-1s", "", "", 400, "max_age"},
		{"GET", "/snapshot?width=160", "", "", 200, "Content-Type: image/jpeg"},
		{"GET", "/?action=snapshot&width=160", "", "", 200, "Content-Type: image/jpeg"},
		{"GET", "/snapshot?width=8192", "", "", 200, string(jpg)},
		{"GET", "/snapshot?width=15", "", "", 400, `width="15": want a number of pixels from 16 to`},
		{"GET", "/snapshot?width=8193", "", "", 400, "width"},
		{"GET", "/snapshot?width=-320", "", "", 400, "width"},
		{"GET", "/snapshot?width=320px", "", "", 400, "width"},
		{"GET", "/snapshot?width=1e3", "", "", 400, "width"},
		{"GET", "/snapshot?width=320&full=1", "", "", 400, "use only one of them"},
		{"GET", "/snapshot?full=1", "", "", 409, "cannot take full-size snapshots"},
		{"HEAD", "/stream", "", "", 200, "Content-Type: multipart/x-mixed-replace;boundary=frame"},
		{"HEAD", "/?action=stream", "", "", 200, "X-Accel-Buffering: no"},
		{"GET", "/stream?fps=0", "", "", 400, "fps"},
		{"GET", "/stream?fps=NaN", "", "", 400, "fps"},
		{"GET", "/stream?fps=-3", "", "", 400, "fps"},
		{"GET", "/stream?fps=fast", "", "", 400, "fps"},
		{"GET", "/state", "", "", 200, `"version": "test"`},
		{"GET", "/metrics", "", "", 200, "maixstream_viewers 0"},
		{"GET", "/healthz", "", "", 200, "ok"},
		{"GET", "/api/settings", "", "", 200, `"quality": 0`},
		{"PATCH", "/api/settings", `{"quality": 71}`, jsonType, 200, `"quality": 71`},
		{"PATCH", "/api/settings", `{"quality": 101}`, jsonType, 422, `"setting": "quality"`},
		{"PATCH", "/api/settings", `{"quality": "high"}`, jsonType, 400, `"setting": "quality"`},
		{"PATCH", "/api/settings", `{"quality": 70.5}`, jsonType, 400, "quality cannot be number 70.5"},
		{"PATCH", "/api/settings", `{"size": "1280x720"}`, jsonType, 200, `"width": 1280`},
		{"PATCH", "/api/settings", `{"size": "1280x720", "width": 640}`, jsonType, 400, "one of them"},
		{"PATCH", "/api/settings", `{"size": "1280"}`, jsonType, 400, "WIDTHxHEIGHT"},
		{"PATCH", "/api/settings", `{"size": "1280x720p"}`, jsonType, 400, "WIDTHxHEIGHT"},
		{"PATCH", "/api/settings", `{"size": 720}`, jsonType, 400, "size"},
		{"PATCH", "/api/settings", `[]`, jsonType, 400, "got array, want a JSON object"},
		{"PATCH", "/api/settings", `{"brightness": 1}`, jsonType, 400, "brightness"},
		{"PATCH", "/api/settings", `{"quality": 70} {}`, jsonType, 400, "more than one"},
		{"PATCH", "/api/settings", ``, jsonType, 400, "empty"},
		{"PATCH", "/api/settings", `{"quality": 70}`, "text/plain", 415, jsonType},
		{"PATCH", "/api/settings", `{"overlay": "` + strings.Repeat("x", 20000) + `"}`, jsonType, 413, "at most"},
		{"GET", "/api/recording", "", "", 501, "no directory to record into"},
		{"PATCH", "/api/recording", `{"on": true}`, jsonType, 501, "no directory to record into"},
		{"GET", "/login", "", "", 303, "Location: ./"},
		{"PUT", "/login", "", "", 405, "Allow: GET, HEAD, POST, OPTIONS"},
		{"DELETE", "/api/settings", "", "", 405, "Allow: GET, HEAD, PATCH, OPTIONS"},
		{"POST", "/stream", "x", "", 405, "Allow: GET, HEAD, OPTIONS"},
		{"PUT", "/healthz", "x", "", 405, "Allow: GET, HEAD, OPTIONS"},
		{"OPTIONS", "/api/settings", "", "", 204, "Access-Control-Allow-Methods: GET, HEAD, PATCH"},
		{"OPTIONS", "/stream", "", "", 204, "Access-Control-Allow-Origin: https://page.example"},
		{"GET", "/nowhere", "", "", 404, "nothing here"},
		{"GET", "/axis-cgi/mjpg/video.cgi?fps=5", "", "", 404, "there is /, /stream, "},
		{"GET", "/snap.jpg", "", "", 404, " /snapshot, "},
		{"PATCH", "/api/settings", `{"brightness": 1}`, jsonType, 400, `there is no \"brightness\"; GET shows what can be changed`},
		{"GET", "/whep", "", "", 405, "Allow: POST, OPTIONS"},
		{"GET", "/stream/more", "", "", 404, ""},
		{"GET", "/" + strings.Repeat("x", 40000), "", "", 431, ""},
	} {
		path := c.path
		if len(path) > 40 {
			path = path[:40]
		}
		t.Run(c.method+" "+path, func(t *testing.T) {
			reply, body := get(t, request(t, c.method, s.URLs()[0]+c.path, c.body, "Content-Type", c.contentType))
			if reply.StatusCode != c.code {
				t.Errorf("status %d, want %d: %.200s", reply.StatusCode, c.code, body)
			}
			name, value, isHeader := strings.Cut(c.want, ": ")
			if isHeader && reply.Header.Get(name) == value {
				return
			}
			if !strings.Contains(body, c.want) {
				t.Errorf("body %.200q and headers %v lack %.80q", body, reply.Header, c.want)
			}
			if c.code != 431 && !strings.Contains(reply.Header.Get("Cache-Control"), "no-store") {
				t.Error("may be cached")
			}
		})
	}
}

// Concurrent requests for the same small picture all get a whole one.
func TestConcurrentSmallSnapshots(t *testing.T) {
	s, feed := serve(t, nil)
	jpg := picture(t, 1)
	feed.stream(t, 20, func(int) []byte { return jpg })
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			width := 100 + 10*(i%4)
			reply, err := http.Get(fmt.Sprint(s.URLs()[0], "/snapshot?width=", width))
			if err != nil {
				t.Error(err)
				return
			}
			defer reply.Body.Close()
			small, err := jpeg.Decode(reply.Body)
			if err != nil || small.Bounds().Dx() != width || small.Bounds().Dy() != (3*width+2)/4 || reply.Header.Get("X-Sequence") == "" {
				t.Errorf("%d wide: %s, %v", width, reply.Status, err)
			}
		})
	}
	clients.Wait()
}

// Requests that no HTTP client sends.
func TestMalformedRequests(t *testing.T) {
	s, feed := serve(t, nil)
	feed.publish(t, picture(t, 1))
	for _, c := range []struct{ request, want string }{
		{"GET /stream\r\n\r\n", "HTTP/1.1 400"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n", "HTTP/1.1 400"},
		{"GET /stream HTTP/1.1\r\n\r\n", "HTTP/1.1 400"}, // no Host
		{"GET /stream HTTP/9.9\r\nHost: localhost\r\n\r\n", "HTTP/1.1 505"},
		{"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 400"},
		{"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		{"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 307"}, // redirected to the cleaned path, which does not exist
		{"GET /stream HTTP/1.0\r\n\r\n", "HTTP/1.1 200"},
	} {
		conn := ask(t, "tcp", address(s), c.request)
		reply := make([]byte, 12)
		if _, err := io.ReadFull(conn, reply); err != nil || string(reply) != c.want {
			t.Errorf("%.40q: reply %q (%v), want %q", c.request, reply, err, c.want)
		}
		conn.Close()
	}
}

// A client that sends a byte now and then is cut off, without affecting others.
func TestSlowLorisIsCutOff(t *testing.T) {
	testenv.Long(t, "takes eleven seconds")
	t.Parallel()
	s, _ := serve(t, nil)
	var slow []net.Conn
	for range 50 {
		slow = append(slow, ask(t, "tcp", address(s), "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "))
	}
	began := time.Now()
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/healthz", "")); reply.StatusCode != 200 {
		t.Errorf("status %d during slow requests", reply.StatusCode)
	}
	for i, conn := range slow {
		for ; ; time.Sleep(200 * time.Millisecond) {
			if _, err := conn.Write([]byte("a")); err != nil {
				break
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("connection %d still accepts header bytes after 30 s", i)
			}
		}
	}
}

func TestMaxClients(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.MaxClients = 2 })
	var conns []net.Conn
	for range 2 {
		conns = append(conns, ask(t, "tcp", address(s), streamRequest))
	}
	eventually(t, "two viewers", func() bool { return s.State().Server.Viewers == 2 })
	reply, body := get(t, request(t, "GET", s.URLs()[0]+"/stream", ""))
	if reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" || !strings.Contains(body, "2 viewers") {
		t.Errorf("third viewer: status %d, headers %v, %q", reply.StatusCode, reply.Header, body)
	}
	conns[0].Close()
	eventually(t, "a place is free", func() bool { return s.State().Server.Viewers == 1 })
	ask(t, "tcp", address(s), streamRequest)
	eventually(t, "two viewers again", func() bool { return s.State().Server.Viewers == 2 })
}

func TestNoSignalIs503(t *testing.T) {
	s, feed := serve(t, nil)
	feed.noSignal.Store(true)
	reply, body := get(t, request(t, "GET", s.URLs()[0]+"/snapshot", ""))
	if reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" || !strings.Contains(body, "no signal") {
		t.Errorf("status %d, headers %v, %q", reply.StatusCode, reply.Header, body)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAuthentication(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef0123456789abcdef"
	s, feed := serve(t, func(c *config) {
		c.AuthFile = write(t, "users", "# people\nanna:"+string(hash)+"\n")
		c.TokenFile = write(t, "tokens", token+"\n")
		c.CORS = "*"
	})
	feed.publish(t, picture(t, 1))
	for _, c := range []struct {
		name, method, path, user, password, authorization string
		code                                              int
	}{
		{"nobody", "GET", "/state", "", "", "", 401},
		{"password", "GET", "/state", "anna", "right", "", 200},
		{"password again", "GET", "/state", "anna", "right", "", 200},
		{"wrong password", "GET", "/state", "anna", "wrong", "", 401},
		{"unknown user", "GET", "/state", "bob", "right", "", 401},
		{"long password", "GET", "/state", "anna", strings.Repeat("x", 5000), "", 401},
		{"bearer", "GET", "/state", "", "", "Bearer " + token, 200},
		{"wrong bearer", "GET", "/state", "", "", "Bearer " + token[1:], 401},
		{"query", "HEAD", "/stream?token=" + token, "", "", "", 200},
		{"wrong query", "HEAD", "/stream?token=x", "", "", "", 401},
		{"settings", "PATCH", "/api/settings", "", "", "", 401},
		{"unknown path", "GET", "/nowhere", "", "", "", 401},
		{"health", "GET", "/healthz", "", "", "", 200},
		{"preflight", "OPTIONS", "/state", "", "", "", 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, c.method, s.URLs()[0]+c.path, "")
			if c.user != "" {
				r.SetBasicAuth(c.user, c.password)
			}
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			reply, _ := get(t, r)
			if reply.StatusCode != c.code {
				t.Errorf("status %d, want %d", reply.StatusCode, c.code)
			}
			if c.code == 401 && reply.Header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	const other = "192.0.2.7:4711"
	if !s.Allow(other, "anna", "right", "") || !s.Allow(other, "", "", token) || s.Allow(other, "anna", "wrong", "") || s.Allow(other, "", "", token[1:]) || s.Allow(other, "", "", "") {
		t.Error("Allow disagrees")
	}
}

func TestNoAuthenticationWithoutFiles(t *testing.T) {
	if s, _ := serve(t, nil); !s.Allow("192.0.2.7:1", "", "", "") || !s.Allow("192.0.2.7:1", "anna", "any", "any") {
		t.Error("a password is required although none is configured")
	}
}

func TestInvalidConfigs(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		want   string
		is     error
		config web.Config
	}{
		{"only one of them", nil, web.Config{TLSCert: "cert.pem"}},
		{"only one of them", nil, web.Config{TLSKey: "key.pem"}},
		{"TLS certificate", os.ErrNotExist, web.Config{TLSCert: "no.pem", TLSKey: "no.pem"}},
		{"TLS certificate", nil, web.Config{TLSCert: write(t, "half", "-----BEGIN CERT"), TLSKey: write(t, "key", "")}},
		{"auth file", os.ErrNotExist, web.Config{AuthFile: "no-such-file"}},
		{"no entry", nil, web.Config{AuthFile: write(t, "empty", "# nobody\n")}},
		{"line 1: user \"anna\": not a bcrypt hash", nil, web.Config{AuthFile: write(t, "plain", "anna:secret\n")}},
		{"line 2: a token", nil, web.Config{TokenFile: write(t, "short", "\nabc\n")}},
		{"another program serves there already", syscall.EADDRINUSE, web.Config{Listen: []string{taken.Addr().String()}}},
		{"listen at nonsense", nil, web.Config{Listen: []string{"nonsense"}}},
		{"listen at :99999", nil, web.Config{Listen: []string{":99999"}}},
		{"not a socket", nil, web.Config{Unix: write(t, "file", "")}},
		{"must not be negative", nil, web.Config{MaxClients: -1}},
		{"must not be negative", nil, web.Config{StallTimeout: -1}},
	} {
		if c.config.Listen == nil {
			c.config.Listen = []string{"127.0.0.1:0"}
		}
		s, err := web.New(c.config)
		if err == nil {
			err = s.Start()
			defer s.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || (c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestStateCombinesFeedAndServer(t *testing.T) {
	s, feed := serve(t, nil)
	jpg := picture(t, 1)
	feed.stream(t, 30, func(int) []byte { return jpg })
	conn := ask(t, "tcp", address(s), "GET /stream?fps=15 HTTP/1.1\r\nHost: localhost\r\nAccept: image/avif,*/*\r\n\r\n")
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	var state stream.State
	eventually(t, "rates", func() bool {
		_, body := get(t, request(t, "GET", s.URLs()[0]+"/state", ""))
		if err := json.Unmarshal([]byte(body), &state); err != nil {
			t.Fatal(err)
		}
		return state.Server.FPS > 5 && state.Server.BytesPerSec > 0
	})
	v := state.Server.List[0]
	if !state.Signal || v.Form != "browser" || v.Transport != "tcp" || v.Address != conn.LocalAddr().String() || v.LimitFPS < 14.9 || v.LimitFPS > 15.1 || v.Skipped == 0 {
		t.Errorf("%+v", state)
	}
}
