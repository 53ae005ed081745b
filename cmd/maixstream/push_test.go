package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/push"
)

// inbox is a server that stores what it receives.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	all  []mail
	code int // of every answer; 0: 200
	hold chan struct{}
}

type mail struct {
	data                []byte
	method, path, query string
	header              http.Header
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if in.hold != nil {
			select {
			case <-in.hold:
			case <-r.Context().Done():
			}
			return
		}
		kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if strings.HasPrefix(kind, "multipart/") {
			for parts := multipart.NewReader(r.Body, params["boundary"]); ; {
				part, err := parts.NextRawPart()
				if err != nil {
					break
				}
				length, _ := strconv.Atoi(part.Header.Get("Content-Length"))
				data := make([]byte, length)
				if length == 0 {
					data, _ = io.ReadAll(part)
				} else if _, err := io.ReadFull(part, data); err != nil {
					break
				}
				header := r.Header.Clone()
				header["Part-Name"] = []string{part.FormName() + "=" + part.FileName()}
				in.keep(mail{data, r.Method, r.URL.Path, r.URL.RawQuery, header})
			}
		} else {
			data, _ := io.ReadAll(r.Body)
			in.keep(mail{data, r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone()})
		}
		if in.code != 0 {
			w.WriteHeader(in.code)
		}
		fmt.Fprintf(w, "{\"ok\":true}\n\x1b[31m")
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) keep(m mail) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.all = append(in.all, m)
}

func (in *inbox) list() []mail {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]mail(nil), in.all...)
}

// unusedAddress is an address without a server: a port that the system never allocates.
const unusedAddress = "http://127.0.0.1:1"

// verbRun runs the program in this process.
func verbRun(t *testing.T, stdin io.Reader, args ...string) (code int, out, problems string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	code = run(ctx, args, terminal{in: stdin, out: &o, err: &e, env: noEnv})
	if ctx.Err() != nil {
		t.Fatalf("%v did not end; it said %q, %q", args, o.String(), e.String())
	}
	return code, o.String(), e.String()
}

// samples makes a folder with a JPEG, a PNG and a text.
func samples(t *testing.T) (dir string, jpg, png []byte) {
	t.Helper()
	dir = t.TempDir()
	img := picture.New(64, 48, picture.RGB)
	img.DrawRect(10, 10, 20, 20, picture.Red, -1)
	j, err := img.JPEG(90)
	if err != nil {
		t.Fatal(err)
	}
	p, err := img.PNG()
	if err != nil {
		t.Fatal(err)
	}
	jpg, png = j.Bytes(), p.Bytes()
	for name, data := range map[string][]byte{"a.jpg": jpg, "b.PNG": png, "note.txt": []byte("not a picture")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, jpg, png
}

func TestPushOfASource(t *testing.T) {
	for _, as := range []string{"raw", "form", "multipart"} {
		in := newInbox(t)
		code, out, problems := verbRun(t, nil, "push", "--source", "testcard", "--size", "320x240", "--count", "3", "--fps", "50", "--as", as,
			"--field", "pic", "--device", "d1", "--header", "X-Room: cellar: left", in.URL+"/upload")
		lines := map[string]int{"raw": 3, "form": 3, "multipart": 1}[as]
		if code != exitDone || out != strings.Repeat("200 OK {\"ok\":true} ?[31m\n", lines) {
			t.Fatalf("%s: code %d, %q, %q", as, code, out, problems)
		}
		all := in.list()
		if len(all) != 3 {
			t.Fatalf("%s: %d came", as, len(all))
		}
		for _, m := range all {
			info, err := jpegcheck.Parse(m.data)
			if err != nil || info.Width != 320 || m.header.Get("X-Device") != "d1" || m.header.Get("X-Room") != "cellar: left" || m.path != "/upload" {
				t.Errorf("%s: %v, %v, %v", as, err, info, m.header)
			}
			if as == "form" && !strings.HasPrefix(m.header.Get("Part-Name"), "pic=") {
				t.Errorf("field %q", m.header.Get("Part-Name"))
			}
		}
	}
}

func TestPushOfASourceAsPNG(t *testing.T) {
	in := newInbox(t)
	code, out, problems := verbRun(t, nil, "push", "--source", "testcard", "--size", "160x120", "--count", "2", "--fps", "20", "--format", "png", in.URL)
	if code != exitDone {
		t.Fatal(code, out, problems)
	}
	for _, m := range in.list() {
		img, err := png.Decode(bytes.NewReader(m.data))
		if err != nil || img.Bounds() != image.Rect(0, 0, 160, 120) || m.header.Get("Content-Type") != "image/png" {
			t.Errorf("%v, %s", err, m.header.Get("Content-Type"))
		}
	}
	if n := len(in.list()); n != 2 {
		t.Errorf("%d came", n)
	}
}

// The flags of the source apply to PNG, too: a login, sub-folders, the colour behind transparency.
func TestPushAsPNGFollowsTheSourceFlags(t *testing.T) {
	in, dir, below := newInbox(t), t.TempDir(), filepath.Join(t.TempDir(), "a", "b")
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(casetest.Read(t, "base.jpg"))
	}))
	defer camera.Close()
	auth := filepath.Join(dir, "auth")
	if err := os.WriteFile(auth, []byte("ann:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(below, "a.png"), casetest.Read(t, "alpha.png"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{
		{"--source", camera.URL + "/x.jpg", "--source-auth-file", auth},
		{"--source", filepath.Dir(below), "--recursive", "--background", "#00ff00", "--size", "160x120"},
	} {
		code, out, problems := verbRun(t, nil, append([]string{"push", "--count", "1", "--format", "png", in.URL}, flags...)...)
		if code != exitDone {
			t.Errorf("%v: exit %d: %s%s", flags, code, out, problems)
		}
	}
	all := in.list()
	if len(all) != 2 {
		t.Fatalf("%d pictures came", len(all))
	}
	img, err := png.Decode(bytes.NewReader(all[1].data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := img.At(20, 15).RGBA(); r > 0x4000 || g < 0xc000 || b > 0x4000 {
		t.Errorf("behind transparency: %x %x %x", r, g, b)
	}
}

// Pictures not sent as PNG are counted as skipped, including those of a camera that is faster than requested.
func TestSkippedPNGsAreCounted(t *testing.T) {
	camera, err := hw.OpenCamera(hw.CameraConfig{Source: "testcard", Width: 64, Height: 48, FPS: 100})
	if err != nil {
		t.Fatal(err)
	}
	s := newPNGSource(camera, 5)
	defer s.close()
	skipped := uint64(0)
	testenv.Eventually(t, "a picture is skipped", func() bool {
		var shot push.Shot
		if err := s.Next(t.Context(), &shot); err != nil {
			t.Fatal(err)
		}
		skipped += shot.Skipped
		shot.Release()
		return skipped > 0
	})
}

func TestPushOfFilesFoldersAndStandardInput(t *testing.T) {
	dir, jpg, pngFile := samples(t)
	in := newInbox(t)
	code, out, problems := verbRun(t, bytes.NewReader(pngFile), "push", in.URL+"/up/{name}", dir, filepath.Join(dir, "a.jpg"), "-")
	if code != exitDone || strings.Count(out, "200 OK") != 4 {
		t.Fatal(code, out, problems)
	}
	all := in.list()
	for i, want := range []struct {
		data       []byte
		path, kind string
	}{{jpg, "/up/a.jpg", "image/jpeg"}, {pngFile, "/up/b.PNG", "image/png"}, {jpg, "/up/a.jpg", "image/jpeg"}, {pngFile, "", "image/png"}} {
		if m := all[i]; !bytes.Equal(m.data, want.data) || (want.path != "" && m.path != want.path) || m.header.Get("Content-Type") != want.kind {
			t.Errorf("%d: %s %s, %d bytes", i, m.path, m.header.Get("Content-Type"), len(m.data))
		}
	}

	// Files that are not pictures are reported and skipped; a requested format is converted to.
	code, out, problems = verbRun(t, nil, "push", "--format", "jpeg", "--count", "2", "--every", "1ms", in.URL+"/{name}",
		filepath.Join(dir, "note.txt"), filepath.Join(dir, "b.PNG"), filepath.Join(dir, "a.jpg"), filepath.Join(dir, "a.jpg"))
	if code != exitFailed || strings.Count(out, "200 OK") != 2 || !strings.Contains(problems, "note.txt: not a picture") {
		t.Fatal(code, out, problems)
	}
	all = in.list()[4:]
	if info, err := jpegcheck.Parse(all[0].data); err != nil || info.Width != 64 || all[0].path != "/b.jpg" || len(all) != 2 {
		t.Errorf("converted: %v %v %s, %d came", info, err, all[0].path, len(all))
	}
}

func TestPushReportsErrors(t *testing.T) {
	dir, _, _ := samples(t)
	in := newInbox(t)
	in.code = http.StatusForbidden
	file := filepath.Join(dir, "a.jpg")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{in.URL, file}, exitFailed, "a.jpg: " + in.URL + ": 403 Forbidden"},
		{[]string{"--retry", "0", unusedAddress, file}, exitFailed, "connect: connection refused"},
		{[]string{"--retry", "200ms", unusedAddress, file}, exitFailed, "connect: connection refused"},
		{[]string{"--retry", "0", "--as", "multipart", unusedAddress, file}, exitFailed, "connect: connection refused"},
		{[]string{in.URL, filepath.Join(dir, "none.jpg")}, exitUsage, "no such file"},
		{[]string{in.URL, t.TempDir()}, exitUsage, "no photographs"},
		{nil, exitUsage, "URL"},
		{[]string{"server:8080/upload"}, exitUsage, "http:// or https://"},
		{[]string{"--every", "1s", "--fps", "3", in.URL}, exitUsage, "mutually exclusive"},
		{[]string{"--every", "0", in.URL}, exitUsage, "more than 0"},
		{[]string{"--every", "1ms", in.URL}, exitUsage, "at most 240"},
		{[]string{"--source", "testcard", in.URL, file}, exitUsage, "mutually exclusive"},
		{[]string{"--as", "pigeon", in.URL}, exitUsage, "raw, form, multipart"},
		{[]string{"--header", "no colon", in.URL}, exitUsage, "X-Room: cellar"},
		{[]string{"--spool", dir, "--as", "multipart", in.URL}, exitUsage, "raw or form"},
		{[]string{"--spool", dir, "--spool-max", "1KiB", in.URL}, exitUsage, "too small"},
		{[]string{"--format", "png", "--rotate", "90", in.URL}, exitUsage, "without --mirror"},
		{[]string{"--timeout", "0", in.URL}, exitUsage, "more than 0"},
		{[]string{"--token-file", filepath.Join(dir, "none"), in.URL}, exitUsage, "token file"},
		{[]string{"--source", filepath.Join(dir, "none.mjpeg"), in.URL}, exitUsage, "none.mjpeg"},
	} {
		code, out, problems := verbRun(t, nil, append([]string{"push"}, c.args...)...)
		if code != c.code || !strings.Contains(problems, c.says) {
			t.Errorf("%q: code %d, %q %q, want %d and %q", c.args, code, out, problems, c.code, c.says)
		}
	}
}

func TestPushKeepsInTheSpoolWhatANewProcessDelivers(t *testing.T) {
	dir, jpg, _ := samples(t)
	spool := filepath.Join(dir, "spool")
	code, out, problems := verbRun(t, nil, "push", "--spool", spool, "--retry", "100ms", unusedAddress, filepath.Join(dir, "a.jpg"), filepath.Join(dir, "a.jpg"))
	if code != exitFailed || out != "" || !strings.Contains(problems, "2 pictures wait in "+spool) {
		t.Fatal(code, out, problems)
	}
	in := newInbox(t)
	code, out, problems = verbRun(t, nil, "push", "--spool", spool, in.URL, filepath.Join(dir, "b.PNG"))
	if code != exitDone || strings.Count(out, "200 OK") != 3 {
		t.Fatal(code, out, problems)
	}
	all := in.list()
	if len(all) != 3 || !bytes.Equal(all[1].data, jpg) || all[2].header.Get("X-Sequence") != "3" {
		t.Errorf("%d came, the last with sequence %s", len(all), all[len(all)-1].header.Get("X-Sequence"))
	}
}

// serveInBackground runs serve and returns its address.
func serveInBackground(t *testing.T, args ...string) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--report", "0", "--announce=false", "--log-level", "error"}, args...),
			terminal{out: out, err: os.Stderr, env: noEnv})
		out.CloseWithError(fmt.Errorf("serve ended with code %d", code))
		done <- code
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitDone {
			t.Errorf("serve ended with code %d", code)
		}
	})
	if _, err := fmt.Fscanln(in, &url); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	return url
}

func TestServePushesToSeveralTargets(t *testing.T) {
	good, other, slow := newInbox(t), newInbox(t), newInbox(t)
	slow.hold = make(chan struct{})
	defer close(slow.hold)
	spool := t.TempDir()
	url := serveInBackground(t, "--source", "testcard", "--size", "160x120", "--fps", "50", "--push", good.URL+"/a", "--push", slow.URL+"/?token=secret",
		"--push", other.URL+"/b", "--push-every", "0", "--push-device", "cam", "--push-spool", spool)
	for deadline := time.Now().Add(30 * time.Second); len(good.list()) < 20 || len(other.list()) < 20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d and %d came, while a third target hangs", len(good.list()), len(other.list()))
		}
	}
	for i, m := range good.list() {
		if _, err := jpegcheck.Parse(m.data); err != nil || m.path != "/a" || m.header.Get("X-Device") != "cam" || m.header.Get("X-Sequence") != strconv.Itoa(i+1) {
			t.Errorf("%d: %v, %s, %v", i, err, m.path, m.header)
		}
	}
	reply, err := http.Get(url + "/state")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Push []push.State }
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	if p := state.Push; len(p) != 3 || p[0].Delivered < 19 || p[0].Status != "200 OK" || p[1].Delivered != 0 || p[1].Spool.Waiting == 0 || bytes.Contains(text, []byte("secret")) {
		t.Errorf("/state: %s", text)
	}
	metrics, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	text, err = io.ReadAll(metrics.Body)
	for _, line := range []string{`maixstream_push_away{target="1",url="` + good.URL + `/a"} 0`, `maixstream_push_pictures_total{target="2",url="` + slow.URL + `/?..."} 0`} {
		if err != nil || !strings.Contains(string(text), line) {
			t.Errorf("/metrics lacks %s (%v)", line, err)
		}
	}
	if dirs, err := os.ReadDir(spool); err != nil || len(dirs) != 3 {
		t.Errorf("spools: %v %v", dirs, err)
	}
}

func TestPushWakesTheEncoderOnlyWhenAPictureIsDue(t *testing.T) {
	in := newInbox(t)
	url := serveInBackground(t, "--source", "testcard", "--size", "160x120", "--fps", "50", "--idle-fps", "1", "--push", in.URL, "--push-every", "1h")
	for deadline := time.Now().Add(30 * time.Second); len(in.list()) < 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing came")
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		reply, err := http.Get(url + "/state")
		if err != nil {
			t.Fatal(err)
		}
		var state struct{ Idle bool }
		err = json.NewDecoder(reply.Body).Decode(&state)
		reply.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if state.Idle {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the encoder does not rest")
		}
	}
}

func TestAnotherServersStreamIsASource(t *testing.T) {
	in := newInbox(t)
	url := serveInBackground(t, "--source", "testcard", "--size", "176x144", "--fps", "25")
	code, out, problems := verbRun(t, nil, "push", "--source", url+"/stream", "--fps", "25", "--count", "3", in.URL)
	if code != exitDone || strings.Count(out, "200 OK") != 3 {
		t.Fatal(code, out, problems)
	}
	for _, m := range in.list() {
		if info, err := jpegcheck.Parse(m.data); err != nil || info.Width != 176 || info.Height != 144 {
			t.Errorf("%+v %v", info, err)
		}
	}
	for path, says := range map[string]string{"/nothing": "404", "/": "not a stream of JPEG"} {
		code, _, problems := verbRun(t, nil, "push", "--source", url+path, "--count", "1", in.URL)
		if code != exitUsage || !strings.Contains(problems, says) {
			t.Errorf("%s: code %d, %q", path, code, problems)
		}
	}
}

func TestPushOfASourceThatEnds(t *testing.T) {
	dir, jpg, _ := samples(t)
	film := filepath.Join(dir, "film.mjpeg")
	if err := os.WriteFile(film, bytes.Repeat(jpg, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	in := newInbox(t)
	code, out, problems := verbRun(t, nil, "push", "--source", film, "--loop=false", "--fps", "4", in.URL)
	// All three, unless the machine had no time for one before the next arrived.
	if n := len(in.list()); code != exitDone || strings.Count(out, "200 OK") != n || n < 1 || n > 3 {
		t.Error(code, out, problems)
	}
	end := errors.New("must end by itself")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, end)
	defer cancel()
	var o bytes.Buffer
	if code := run(ctx, []string{"push", "--source", "-", "--fps", "20", in.URL}, terminal{out: &o, err: io.Discard, env: noEnv}); ctx.Err() != nil {
		t.Errorf("standard input at its end: code %d, %v", code, context.Cause(ctx))
	}
}

// Method and headers, a file of them too, through both verbs.
func TestMethodAndHeadersOfBothVerbs(t *testing.T) {
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("# of the printer\nToken: geheim\nFingerprint: 0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(in *inbox, verb string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); len(in.list()) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: nothing came", verb)
			}
		}
		m := in.list()[0]
		if m.method != http.MethodPut || m.header.Get("Token") != "geheim" || m.header.Get("Fingerprint") != "0123456789abcdef" || m.header.Get("X-Room") != "cellar" {
			t.Errorf("%s: %s %v", verb, m.method, m.header)
		}
		if dir, name := filepath.Split(m.path); dir != "/in/" || filepath.Ext(name) != ".jpg" || m.query != "key=1" {
			t.Errorf("%s: %s?%s", verb, m.path, m.query)
		}
	}
	in := newInbox(t)
	code, out, problems := verbRun(t, nil, "push", "--source", "testcard", "--size", "160x120", "--count", "1", "--method", "PUT", "--header-file", headers,
		"--header", "X-Room: cellar", in.URL+"/in/?key=1")
	if code != exitDone {
		t.Fatal(code, out, problems)
	}
	check(in, "push")
	in = newInbox(t)
	serveInBackground(t, "--source", "testcard", "--size", "160x120", "--push", in.URL+"/in/?key=1", "--push-method", "PUT", "--push-header-file", headers,
		"--push-header", "X-Room: cellar")
	check(in, "serve")
	for _, args := range [][]string{
		{"push", "--header-file", headers + "?", in.URL},
		{"push", "--header", "no header", in.URL},
		{"push", "--max-retry-after", "0", in.URL},
		{"--listen", "127.0.0.1:0", "--push", in.URL, "--push-header-file", headers + "?"},
		{"--listen", "127.0.0.1:0", "--push", in.URL, "--push-max-retry-after", "-1s"},
	} {
		if code, _, problems := verbRun(t, nil, append(args, "--source", "testcard")...); code != exitUsage || problems == "" {
			t.Errorf("%v: code %d, %q", args, code, problems)
		}
	}
}

func TestProgressLine(t *testing.T) {
	s := push.State{Delivered: 12, Bytes: 3 << 20, Skipped: 4, MS: 7.6, Spool: &push.SpoolState{Waiting: 2, Dropped: 1}}
	last := push.Result{Reply: push.Reply{Status: "200 OK", Text: "thank\x1b[2J you\n"}}
	if got, want := progressLine(s, last), "12 sent, 3.0 MiB, 4 skipped, 2 waiting, 1 dropped  200 OK 8 ms  thank?[2J you"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Away, s.Error = true, "push: http://x: connection refused"
	if got := progressLine(s, last); !strings.HasSuffix(got, "not delivered: push: http://x: connection refused") {
		t.Errorf("%q", got)
	}
}
