package upload_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/server/upload"
)

// watch opens a live stream.
func watch(t *testing.T, s *upload.Server, path string) *multipart.Reader {
	t.Helper()
	reply, err := http.Get(s.URLs()[0] + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reply.Body.Close() })
	kind, p, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("%s: %s %v", path, reply.Status, reply.Header)
	}
	return multipart.NewReader(reply.Body, p["boundary"])
}

func next(t *testing.T, r *multipart.Reader) (http.Header, []byte) {
	t.Helper()
	p, err := r.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header(p.Header), b
}

func TestViewersGetEachPictureImmediately(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
	viewers := []*multipart.Reader{watch(t, s, "/stream/a"), watch(t, s, "/stream/a?advance_headers=1")}
	for i, v := range viewers {
		if _, b := next(t, v); !bytes.Equal(b, jpegOf(t, 1)) {
			t.Errorf("viewer %d: first picture of %d bytes", i, len(b))
		}
	}
	at := time.Now().Add(-time.Minute)
	for i := 2; i < 6; i++ {
		postOK(t, s, "?device=a", jpegOf(t, i), headers{"X-Timestamp": stampOf(at)})
		postOK(t, s, "?device=other", jpegOf(t, 9), nil)
		for n, v := range viewers {
			h, b := next(t, v)
			if !bytes.Equal(b, jpegOf(t, i)) {
				t.Errorf("viewer %d, picture %d: %d bytes", n, i, len(b))
			}
			if n == 0 && h.Get("X-Timestamp")[:14] != stampOf(at)[:14] {
				t.Errorf("X-Timestamp %s, want %s", h.Get("X-Timestamp"), stampOf(at))
			}
		}
	}
	// A PNG is converted to JPEG.
	postOK(t, s, "?device=a", pngOf(t, 3), nil)
	_, b := next(t, viewers[0])
	if img, kind, err := image.Decode(bytes.NewReader(b)); err != nil || kind != "jpeg" || img.Bounds().Dx() != 64 {
		t.Errorf("a PNG arrives as %s %v", kind, err)
	}
	if n := s.State().Viewers; n != 2 {
		t.Errorf("%d viewers", n)
	}
}

func TestViewerLimit(t *testing.T) {
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.MaxClients = 1 })
	postOK(t, s, "?device=a", pngOf(t, 1), nil)
	reply, err := http.Get(s.URLs()[0] + "/stream/a")
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "one viewer", func() bool { return s.State().Viewers == 1 })
	for _, path := range []string{"/stream/a", "/events"} {
		if again, _ := get(t, s, path); again.StatusCode != http.StatusServiceUnavailable || again.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", path, again.Status)
		}
	}
	reply.Body.Close()
	testenv.Eventually(t, "no viewer", func() bool {
		postOK(t, s, "?device=a", jpegOf(t, 1), nil) // a disconnect shows when writing
		return s.State().Viewers == 0
	})
	if v := watch(t, s, "/stream/a"); v == nil {
		t.Error("no stream")
	}
}

func TestEventsReportChanges(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, func(c *upload.Config) { c.Keep = time.Hour })
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
	postOK(t, s, "?device=b", jpegOf(t, 1), nil)
	reply, err := http.Get(s.URLs()[0] + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	event := func() (e struct {
		Devices []upload.Device
		Gone    []string
	},
	) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				return e
			}
		}
		t.Fatalf("no event: %v", lines.Err())
		return e
	}
	if e := event(); len(e.Devices) != 2 {
		t.Errorf("first %+v", e)
	}
	a := postOK(t, s, "?device=b", jpegOf(t, 2), nil)
	if e := event(); len(e.Devices) != 1 || e.Devices[0].Newest.File != a.File || e.Devices[0].Pictures != 2 {
		t.Errorf("then %+v", e)
	}
	// One that is announced, then expires when Keep is lowered.
	postOK(t, s, "?device=c", jpegOf(t, 2), headers{"X-Timestamp": stampOf(time.Now().Add(-30 * time.Minute))})
	if e := event(); len(e.Devices) != 1 || e.Devices[0].Name != "c" {
		t.Errorf("then %+v", e)
	}
	if err := s.Reload(upload.Config{Dir: dir, Keep: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	if e := event(); fmt.Sprint(e.Gone) != "[c]" || len(e.Devices) != 0 {
		t.Errorf("at last %+v", e)
	}
}

func TestCloseEndsUploadsAndViewers(t *testing.T) {
	testenv.NoLeaks(t)
	s := receive(t, t.TempDir(), nil)
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
	v := watch(t, s, "/stream/a")
	next(t, v)
	events, err := http.Get(s.URLs()[0] + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	out, in := io.Pipe()
	w := multipart.NewWriter(in)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reply, err := http.Post(s.URLs()[0]+"/upload?device=a", "multipart/mixed; boundary="+w.Boundary(), out)
		if err == nil {
			reply.Body.Close()
		}
	}()
	if err := part(w, jpegOf(t, 2), true, nil); err != nil {
		t.Fatal(err)
	}
	next(t, v)
	began := time.Now()
	stop(t, s)
	if took := time.Since(began); took > 10*time.Second { // one second, on an idle machine
		t.Errorf("closing took %v", took)
	}
	_ = in.Close()
	<-ended
	if _, err := v.NextPart(); err == nil {
		t.Error("the stream did not end")
	}
}
