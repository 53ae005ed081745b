package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
)

// readNext reads a picture from a source that must have one soon.
func readNext(t *testing.T, s frame.Source) (frame.Picture, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var p frame.Picture
	err := s.(frame.JPEGSource).ReadJPEG(ctx, make([]byte, 1<<20), &p)
	return p, err
}

// A URL of a picture is polled at the rate, with conditional requests; an occasional failure costs only that picture.
func TestPictureURLIsPolled(t *testing.T) {
	var asked, same atomic.Int64
	jpg := jpegOf(t, 32, 24, 1)
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n%7 == 3:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case n%7 == 5:
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(jpg[:len(jpg)/2])
			return
		}
		if r.Header.Get("If-None-Match") == `"v1"` {
			same.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(jpg)
	}))
	defer camera.Close()
	s, err := source.Open("HTTP"+strings.TrimPrefix(camera.URL, "http")+"/snapshot.jpg?token=secret", source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info := s.Info(); info.Kind != "polled" || info.Width != 32 || info.FPS != 50 || strings.Contains(info.Name, "secret") {
		t.Errorf("%+v", info)
	}
	begin := time.Now()
	for i := range 20 {
		p, err := readNext(t, s)
		if err != nil || p.Sequence != uint64(i+1) || p.Width != 32 || time.Since(p.Captured) > time.Minute {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if took := time.Since(begin); took < 380*time.Millisecond {
		t.Errorf("20 pictures at 50 fps took %v", took)
	}
	if n, why := s.(frame.Dropper).Dropped(); n == 0 || !strings.Contains(fmt.Sprint(why), "cut off") || same.Load() < 10 {
		t.Errorf("dropped %d (%v), unchanged %d times", n, why, same.Load())
	}
	camera.Close()
	if _, err := readNext(t, s); !errors.Is(err, frame.ErrGone) {
		t.Errorf("after the camera disappeared: %v", err)
	}
	misnamed, err := source.Open(serving(t, "text/plain; charset=utf-8", jpg), source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer misnamed.Close()
	for range 2 { // of the first reply, then of a request
		if p, err := readNext(t, misnamed); err != nil || p.Width != 32 {
			t.Errorf("called text: %+v, %v", p, err)
		}
	}
	slow, err := source.Open(serving(t, "image/jpeg", jpg), source.Options{})
	if err != nil || slow.Info().FPS != 1 {
		t.Fatal(slow, err)
	}
	slow.Close()
	if _, err := readNext(t, slow); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("closed: %v", err)
	}
}

// A reply of unknown type and length is a picture if it ends after one JPEG, otherwise a stream, of which nothing is lost.
func TestRepliesOfUnknownTypeAreToldApart(t *testing.T) {
	one := jpegOf(t, 32, 24, 1)
	unfinished := one[:len(one)-2]
	for _, c := range []struct {
		name     string
		pieces   [][]byte // sent one by one
		open     bool     // the reply does not end
		kind     string
		pictures int // at least
	}{
		{"one", [][]byte{one}, false, "polled", 3},
		{"one in pieces", [][]byte{one[:1], one[1:300], one[300:]}, false, "polled", 3},
		{"one without its end", [][]byte{unfinished}, false, "polled", 3},
		{"one and padding", [][]byte{one, {0, 0, 0}}, false, "polled", 3},
		{"several", [][]byte{one, one, one}, false, "stream", 1},
		{"several at once", [][]byte{bytes.Repeat(one, 3)}, false, "stream", 1},
		{"several without their ends", [][]byte{bytes.Repeat(unfinished, 3)}, false, "stream", 1},
		{"one, and then silence", [][]byte{one}, true, "stream", 1},
		{"half a picture, and then silence", [][]byte{one, one[:300]}, true, "stream", 1},
		{"multipart without a type", [][]byte{[]byte("--b\r\nContent-Type: image/jpeg\r\n\r\n"), one, []byte("\r\n--b\r\n")}, true, "stream", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := make(chan struct{})
			camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/octet-stream")
				for _, piece := range c.pieces {
					_, _ = w.Write(piece)
					_ = http.NewResponseController(w).Flush() // chunked
				}
				if c.open {
					<-end
				}
			}))
			defer camera.Close()
			defer close(end)
			s, err := source.Open(camera.URL, source.Options{FPS: 50})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if kind := s.Info().Kind; kind != c.kind {
				t.Errorf("kind %s, want %s", kind, c.kind)
			}
			for i := range c.pictures {
				if p, err := readNext(t, s); err != nil || p.Width != 32 {
					t.Errorf("picture %d: %+v, %v", i, p, err)
				}
			}
		})
	}
}

// A busy server is asked again after as long as it wants, which has a limit: by the source if that is short, otherwise by whoever opens it again.
func TestBusyServersAreLeftAlone(t *testing.T) {
	jpg := jpegOf(t, 32, 24, 1)
	for _, c := range []struct {
		status int
		after  string
		want   time.Duration // 0: the source asks again
	}{
		{503, "600", 5 * time.Minute},
		{429, "30", 30 * time.Second},
		{503, "99999999999999999999", 5 * time.Minute},
		{503, "Fri, 31 Dec 9999 23:59:59 GMT", 5 * time.Minute},
		{503, "Fri, 31 Dec 1999 23:59:59 GMT", 0},
		{503, "0.2", 0},
		{503, "-5", 0},
		{503, "1e9", 0},
		{429, "soon", 0},
	} {
		var asked atomic.Int64
		camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1)%2 == 0 {
				w.Header().Set("Retry-After", c.after)
				w.WriteHeader(c.status)
				return
			}
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(jpg)
		}))
		s, err := source.Open(camera.URL, source.Options{FPS: 50})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readNext(t, s); err != nil {
			t.Fatal(err)
		}
		_, err = readNext(t, s)
		var busy *frame.BusyError
		if !errors.As(err, &busy) {
			busy = &frame.BusyError{}
		}
		if busy.Wait != c.want || (err == nil) != (c.want == 0) || c.want > 0 && !errors.Is(err, frame.ErrGone) {
			t.Errorf("%d, %s: %v, wait %v, want %v", c.status, c.after, err, busy.Wait, c.want)
		}
		s.Close()
		camera.Close()
	}
}

// A server that announces more than it sends, or says unasked that nothing has changed, still shows its picture.
func TestSloppyServersAreUnderstood(t *testing.T) {
	jpg := jpegOf(t, 32, 24, 1)
	var asked atomic.Int64
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 3 {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "image/jpeg")
		w.Header().Set("Content-Length", "99999")
		_, _ = w.Write(jpg)
	}))
	defer camera.Close()
	s, err := source.Open(camera.URL, source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 5 {
		if p, err := readNext(t, s); err != nil || p.Width != 32 || p.Sequence != uint64(i+1) {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// Two bad replies in a row do not interrupt the source.
func TestPictureURLWithOccasionalBadReplies(t *testing.T) {
	jpg := jpegOf(t, 32, 24, 1)
	var asked atomic.Int64
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) % 3 {
		case 1:
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(jpg)
		case 2:
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>busy"))
		}
	}))
	defer camera.Close()
	s, err := source.Open(camera.URL, source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 4 {
		if p, err := readNext(t, s); err != nil || p.Sequence != uint64(i+1) {
			t.Fatalf("%+v, %v", p, err)
		}
	}
}

// A picture's address that becomes a stream's is opened again.
func TestPictureURLThatBecomesAStream(t *testing.T) {
	one := jpegOf(t, 32, 24, 1)
	var asked atomic.Int64
	end := make(chan struct{})
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(one)
			return
		}
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=b")
		_ = http.NewResponseController(w).Flush()
		<-end
	}))
	defer camera.Close()
	defer close(end)
	s, err := source.Open(camera.URL, source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := readNext(t, s); err != nil {
		t.Fatal(err)
	}
	if _, err := readNext(t, s); !errors.Is(err, frame.ErrReopen) {
		t.Errorf("%v, want %v", err, frame.ErrReopen)
	}
}

// Some cameras call an endless stream image/jpeg.
func TestStreamsThatAreCalledPictures(t *testing.T) {
	one := jpegOf(t, 32, 24, 1)
	for name, part := range map[string][]byte{"pictures": one, "multipart": append([]byte("\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n"), one...)} {
		camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(bytes.TrimLeft(part, "\r\n"))
			for r.Context().Err() == nil {
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}))
		defer camera.Close()
		s, err := source.Open(camera.URL, source.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer s.Close()
		for range 3 {
			if p, err := readNext(t, s); err != nil || p.Width != 32 {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
		if kind := s.Info().Kind; kind != "stream" {
			t.Errorf("%s: it is a %s", name, kind)
		}
	}
}

// A phone's picture with its preview is one picture.
func TestPictureURLWithAPreview(t *testing.T) {
	both := append(jpegOf(t, 320, 240, 1), jpegOf(t, 32, 24, 1)...)
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(both[:len(both)-100])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(both[len(both)-100:])
	}))
	defer camera.Close()
	s, err := source.Open(camera.URL, source.Options{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if p, err := readNext(t, s); err != nil || p.Width != 320 {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// serving returns the URL of a server that replies with data.
func serving(t *testing.T, kind string, data []byte) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestUnusableURLsAreReported(t *testing.T) {
	notFound := httptest.NewServer(http.NotFoundHandler())
	defer notFound.Close()
	for url, want := range map[string]string{
		"rtsp://user:secret@host/live?a=secret": "RTSP is not a source; ffmpeg makes one of it: ffmpeg -i rtsp://host/live ",
		"ftp://host/x":                          "ftp is not supported",
		"http://":                               "not a URL",
		notFound.URL:                            "404",
		serving(t, "text/html", nil):            "text/html",
		serving(t, "image/png", []byte("\x89PNG\r\n\x1a\n........")): "this is PNG",
		serving(t, "image/jpeg", []byte("<html>")):                   "this is HTML",
	} {
		s, err := source.Open(url, source.Options{})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || errors.Is(err, frame.ErrGone) {
			t.Errorf("%s: %v; want %q", url, err, want)
		}
	}
}

// A redirect reveals no secrets, and never leads from https to http.
func TestRedirectsRevealNoSecrets(t *testing.T) {
	jpg := jpegOf(t, 32, 24, 1)
	var seen http.Header
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(jpg)
	}))
	defer plain.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, plain.URL+"/picture", http.StatusFound)
	}))
	defer first.Close()
	auth := filepath.Join(t.TempDir(), "auth")
	if err := os.WriteFile(auth, []byte("ann:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := source.Open(first.URL+"/?token=secret", source.Options{AuthFile: auth})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if text := fmt.Sprint(seen); strings.Contains(text, "secret") || seen.Get("Authorization") != "" || seen.Get("Referer") != "" {
		t.Errorf("the other host received %v", seen)
	}
	if _, err := source.Open(first.URL, source.Options{}); err == nil || !strings.Contains(err.Error(), "user and password") {
		t.Errorf("without credentials: %v", err)
	}
	if err := source.CheckRedirect("https://a/", "http://b/"); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("from https to http: %v", err)
	}
}
