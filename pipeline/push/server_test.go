package push_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/push"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// answers makes a collector reject the first len(codes) requests.
func answers(c *collector, header http.Header, codes ...int) {
	c.answer = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > len(codes) {
			return false
		}
		for name, values := range header {
			w.Header()[name] = values
		}
		http.Error(w, "not now", codes[n-1])
		return true
	}
}

func TestBusyServerIsRetriedWithTheSameKey(t *testing.T) {
	for mode, codes := range map[push.Mode][]int{push.Raw: {503, 500, 408}, push.Form: {429, 502, 504}} {
		c := newCollector()
		var keys []string
		answers(c, nil, codes...)
		refuse := c.answer
		c.answer = func(w http.ResponseWriter, r *http.Request, n int) bool {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			return refuse(w, r, n)
		}
		s := serve(t, c)
		var outcomes results
		p := newPusher(t, push.Config{URL: s.URL, As: mode, OnResult: outcomes.add})
		if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		state := p.State()
		if len(c.all()) != 1 || state.Delivered != 1 || state.Failures != 3 || len(outcomes.list()) != 1 {
			t.Errorf("%s: %d arrived, state %+v", mode, len(c.all()), state)
		}
		for _, key := range keys {
			if key != keys[0] || key == "" {
				t.Errorf("%s: keys differ: %v", mode, keys)
			}
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for _, value := range []string{"1", "date"} {
		for _, code := range []int{408, 429, 503} {
			t.Run(fmt.Sprint(code, value), func(t *testing.T) {
				t.Parallel()
				c := newCollector()
				began := time.Now()
				text := value
				if value == "date" {
					text = time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) // whole seconds: 1 to 2 from now
				}
				answers(c, http.Header{"Retry-After": {text}}, code)
				s := serve(t, c)
				p := newPusher(t, push.Config{URL: s.URL})
				if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < 900*time.Millisecond {
					t.Errorf("retried after %v", took)
				}
				if len(c.all()) != 1 {
					t.Error("did not arrive")
				}
			})
		}
	}
}

func TestRetryAfterBeyondTheLimitGivesUpAtOnce(t *testing.T) {
	c := newCollector()
	answers(c, http.Header{"Retry-After": {"3600"}}, 503)
	s := serve(t, c)
	var outcomes results
	p := newPusher(t, push.Config{URL: s.URL, Retry: time.Minute, OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "503 Service Unavailable: not now (Retry-After: 3600)") || p.State().GivenUp != 1 {
		t.Errorf("outcomes %+v, state %+v", got, p.State())
	}
}

func TestRefusedPicturesAreReportedAndNotRetried(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 413, 415, 501} {
		c := newCollector()
		answers(c, nil, code)
		s := serve(t, c)
		var outcomes results
		p := newPusher(t, push.Config{URL: s.URL, OnResult: outcomes.add})
		if err := p.Run(context.Background(), &list{shots: pictures(t, 2)}); err != nil {
			t.Fatal(err)
		}
		got := outcomes.list()
		if len(got) != 2 || c.requests != 2 || got[1].Err != nil || p.State().Refused != 1 || p.State().Delivered != 1 {
			t.Fatalf("%d: %d requests, outcomes %+v", code, c.requests, got)
		}
		var status *push.StatusError
		if !errors.As(got[0].Err, &status) || status.Reply.StatusCode != code || !strings.Contains(got[0].Err.Error(), "not now") {
			t.Errorf("%d: %v", code, got[0].Err)
		}
	}
}

func TestUnreachableServerIsGivenUpAfterRetry(t *testing.T) {
	f := newFlaky(t, newCollector())
	f.kill()
	var outcomes results
	p := newPusher(t, push.Config{URL: f.url(), Retry: -1, OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 2)}); err != nil {
		t.Fatal(err)
	}
	got := outcomes.list()
	if len(got) != 2 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "connect") || p.State().GivenUp != 2 || !p.State().Away {
		t.Errorf("outcomes %+v, state %+v", got, p.State())
	}
}

func TestUnresponsiveServerTimesOut(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	var outcomes results
	p := newPusher(t, push.Config{URL: s.URL, Timeout: 100 * time.Millisecond, Retry: -1, OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "no reply within 100ms") {
		t.Errorf("outcomes %+v", got)
	}
}

func TestRedirects(t *testing.T) {
	c := newCollector()
	mux := http.NewServeMux()
	mux.Handle("/upload", c)
	for _, code := range []int{301, 302, 303, 307, 308} {
		mux.Handle(fmt.Sprintf("/%d", code), http.RedirectHandler("/upload", code))
	}
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusTemporaryRedirect))
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		c.ServeHTTP(httptest.NewRecorder(), r)
		http.Redirect(w, r, "/thanks", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /thanks", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thanks") })
	s := serve(t, mux)
	photo := push.File(jpeg(t, 1))
	ctx := context.Background()
	for _, code := range []int{307, 308} {
		for _, options := range [][]push.Option{nil, {push.WithForm("f")}} {
			reply, err := push.Post(ctx, fmt.Sprintf("%s/%d", s.URL, code), photo, options...)
			if err != nil || !reply.OK() || reply.URL != s.URL+"/upload" {
				t.Fatalf("%d: %+v %v", code, reply, err)
			}
		}
	}
	if all := c.all(); len(all) != 4 || !bytes.Equal(all[3].data, photo) || all[3].method != "POST" {
		t.Fatalf("%d arrived", len(all))
	}
	for _, code := range []int{301, 302} {
		reply, err := push.Post(ctx, fmt.Sprintf("%s/%d", s.URL, code), photo)
		if err != nil || reply.StatusCode != code {
			t.Fatalf("%d: %+v %v", code, reply, err)
		}
		if err := reply.Err(); err == nil || !strings.Contains(err.Error(), "turns the request into a GET") || !strings.Contains(err.Error(), "/upload") {
			t.Errorf("%d: %v", code, err)
		}
	}
	if reply, err := push.Post(ctx, s.URL+"/form", photo); err != nil || reply.Text != "thanks" || !reply.OK() {
		t.Errorf("303 after an accepted picture: %+v %v", reply, err)
	}
	if _, err := push.Post(ctx, s.URL+"/loop", photo); err == nil || !strings.Contains(err.Error(), "10 redirects") {
		t.Errorf("loop: %v", err)
	}
	if n := len(c.all()); n != 5 {
		t.Errorf("%d arrived, want 5", n)
	}
	// What retrying cannot fix is not retried, although Retry is forever.
	for url, want := range map[string]string{s.URL + "/loop": "10 redirects", strings.Replace(s.URL, "http:", "https:", 1): "HTTP response to HTTPS client"} {
		var outcomes results
		p := newPusher(t, push.Config{URL: url, OnResult: outcomes.add})
		if err := p.Run(ctx, &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), want) || p.State().Failures != 1 {
			t.Errorf("%s: outcomes %+v, %+v", url, got, p.State())
		}
	}

	// The endless stream cannot resend its body, and still follows.
	p := newPusher(t, push.Config{URL: s.URL + "/308", As: push.Multipart})
	if err := p.Run(ctx, &list{shots: pictures(t, 3)}); err != nil {
		t.Fatal(err)
	}
	if n := len(c.all()); n != 8 {
		t.Errorf("stream: %d arrived in all, want 8", n)
	}
}

func TestRedirectsKeepSecrets(t *testing.T) {
	token := writeFile(t, "geheim\n")
	other := newCollector()
	far := serve(t, other)
	farURL, _ := url.Parse(far.URL)
	near := serve(t, http.RedirectHandler("http://localhost:"+farURL.Port()+"/", http.StatusTemporaryRedirect))
	p := newPusher(t, push.Config{URL: near.URL, TokenFile: token})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if all := other.all(); len(all) != 1 || all[0].header.Get("Authorization") != "" {
		t.Errorf("another host got %d pictures, Authorization %q", len(all), all[0].header.Get("Authorization"))
	}

	plain := newCollector()
	downgraded := serve(t, plain)
	secure := httptest.NewTLSServer(http.RedirectHandler(downgraded.URL, http.StatusTemporaryRedirect))
	t.Cleanup(secure.Close)
	var outcomes results
	p = newPusher(t, push.Config{URL: secure.URL, CAFile: caOf(t, secure), OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "not encrypted") || len(plain.all()) != 0 {
		t.Errorf("outcomes %+v, %d arrived in plain", got, len(plain.all()))
	}
}

func caOf(t *testing.T, s *httptest.Server) string {
	t.Helper()
	return writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}

func TestTLSWithCustomCA(t *testing.T) {
	shots := pictures(t, 3)
	for _, mode := range []push.Mode{push.Raw, push.Form, push.Multipart} {
		c := newCollector()
		s := httptest.NewUnstartedServer(c)
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // it logs the clients that do not trust it
		s.StartTLS()
		t.Cleanup(s.Close)
		p := newPusher(t, push.Config{URL: s.URL, As: mode, CAFile: caOf(t, s)})
		if err := p.Run(context.Background(), &list{shots: shots}); err != nil {
			t.Fatal(err)
		}
		if all := c.all(); len(all) != 3 || !bytes.Equal(all[2].data, shots[2]) {
			t.Errorf("%s: %d arrived", mode, len(all))
		}
		var outcomes results
		p = newPusher(t, push.Config{URL: s.URL, OnResult: outcomes.add}) // Retry is forever: must not apply
		if err := p.Run(context.Background(), &list{shots: shots[:1]}); err != nil {
			t.Fatal(err)
		}
		if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "unknown authority") {
			t.Errorf("without the CA: %+v", got)
		}
	}
	for text, want := range map[string]string{"no PEM": "no certificate in it"} {
		if _, err := push.New(push.Config{URL: "https://x/", CAFile: writeFile(t, text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAuth(t *testing.T) {
	var lock guard
	allowed := "Bearer one"
	c := newCollector()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != lock.get(&allowed) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.ServeHTTP(w, r)
	}))
	ctx := context.Background()
	send := func(config push.Config) []push.Result {
		t.Helper()
		var outcomes results
		config.OnResult = outcomes.add
		if config.URL == "" {
			config.URL = s.URL
		}
		if err := newPusher(t, config).Run(ctx, &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		return outcomes.list()
	}
	if got := send(push.Config{TokenFile: writeFile(t, "# comment\n\none\n")}); got[0].Err != nil {
		t.Errorf("token: %v", got[0].Err)
	}
	if got := send(push.Config{TokenFile: writeFile(t, "two")}); got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "requires a user and password or a token") {
		t.Errorf("wrong token: %v", got[0].Err)
	}
	lock.set(&allowed, "Basic dXNlcjpwYTpzcw==") // user:pa:ss
	if got := send(push.Config{AuthFile: writeFile(t, "user:pa:ss\n")}); got[0].Err != nil {
		t.Errorf("password: %v", got[0].Err)
	}
	withUser, _ := url.Parse(s.URL)
	withUser.User = url.UserPassword("user", "pa:ss")
	if got := send(push.Config{URL: withUser.String()}); got[0].Err != nil || strings.Contains(got[0].Reply.URL, "pa:ss") {
		t.Errorf("password in the URL: %+v", got[0])
	}
	withUser.User = url.UserPassword("user", "secret")
	if got := send(push.Config{URL: withUser.String()}); got[0].Err == nil || strings.Contains(got[0].Err.Error(), "secret") {
		t.Errorf("a wrong password in the URL: %v", got[0].Err)
	}

	// A token changed on disk is used without a restart.
	lock.set(&allowed, "Bearer new")
	file := writeFile(t, "old")
	var outcomes results
	source := newLive()
	p := newPusher(t, push.Config{URL: s.URL, TokenFile: file, OnResult: outcomes.add})
	end := run(p, source)
	source.show(jpeg(t, 1))
	for deadline := time.Now().Add(20 * time.Second); len(outcomes.list()) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := len(c.all())
	for i := 2; len(c.all()) == before && i < 200; i++ { // the first may still carry the old one
		source.show(jpeg(t, i))
		time.Sleep(50 * time.Millisecond)
	}
	if err := end(); !errors.Is(err, context.Canceled) || len(c.all()) == before {
		t.Errorf("%v; the new token was not read", err)
	}

	for text, want := range map[string]string{"": "nothing in it", "nobody": "user:password"} {
		if _, err := push.New(push.Config{URL: s.URL, AuthFile: writeFile(t, text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := push.New(push.Config{URL: s.URL, AuthFile: file, TokenFile: file}); err == nil {
		t.Error("both files were accepted")
	}
}

// Go reads these variables once per process, so the test runs in a child process.
func TestProxyOfTheEnvironment(t *testing.T) {
	const address = "MAIXSTREAM_TEST_PROXY"
	if os.Getenv(address) == "" {
		free := net.JoinHostPort(quiet, strconv.Itoa(testenv.FreePort(t, quiet)))
		again := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$", "-test.v")
		again.Env = append(os.Environ(), address+"="+free, "http_proxy=http://"+free, "no_proxy=direct.invalid")
		if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestProxyOfTheEnvironment") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	c := newCollector()
	var asked []string
	l, err := net.Listen("tcp", os.Getenv(address))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		c.ServeHTTP(w, r)
	})}
	go func() { _ = proxy.Serve(l) }()
	t.Cleanup(func() { _ = proxy.Close() })
	const target = "http://camera-server.invalid/upload" // never resolved: the proxy would do that
	for _, mode := range []push.Mode{push.Raw, push.Multipart} {
		p := newPusher(t, push.Config{URL: target, As: mode, Retry: -1})
		if err := p.Run(context.Background(), &list{shots: pictures(t, 2)}); err != nil {
			t.Fatal(err)
		}
		if state := p.State(); state.Delivered != 2 || state.Error != "" {
			t.Errorf("%s: %+v", mode, state)
		}
	}
	if len(asked) != 3 || asked[0] != target || len(c.all()) != 4 {
		t.Errorf("the proxy was asked for %v, %d pictures", asked, len(c.all()))
	}
	var outcomes results
	p := newPusher(t, push.Config{URL: "http://direct.invalid/", Retry: -1, OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); got[0].Err == nil || len(asked) != 3 {
		t.Errorf("no_proxy: %+v", got)
	}
}

func TestInvalidConfigs(t *testing.T) {
	for want, c := range map[string]push.Config{
		"http:// or https://":        {URL: "ftp://x/"},
		"no host":                    {URL: "http:///upload"},
		"the URL:":                   {URL: "http://user:secret@[x/"},
		"raw, form or multipart":     {URL: "http://x/", As: "carrier pigeon"},
		"POST, PUT or PATCH":         {URL: "http://x/", Method: "GET"},
		"with multipart":             {URL: "http://x/", As: push.Multipart, Spool: "x"},
		"too small":                  {URL: "http://x/", Spool: t.TempDir(), SpoolMax: 1},
		"timeout -1s: must not be":   {URL: "http://x/", Timeout: -time.Second},
		"no such file or directory":  {URL: "http://x/", CAFile: filepath.Join(t.TempDir(), "none")},
		"token file: open":           {URL: "http://x/", TokenFile: filepath.Join(t.TempDir(), "none")},
		"count -1: must not be nega": {URL: "http://x/", Count: -1},
		`device "a\nb"`:              {URL: "http://x/", Device: "a\nb"},
		`header "a b"`:               {URL: "http://x/", Header: http.Header{"a b": {"c"}}},
		"its first line has":         {URL: "http://x/", TokenFile: writeFile(t, "to\x00ken")},
	} {
		if _, err := push.New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func TestEarlyRefusalStopsReadingThePicture(t *testing.T) {
	// The server replies before it has read a byte of a large picture, which the transport is still sending.
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "too large")
	}))
	noise := image.NewNRGBA(image.Rect(0, 0, 1200, 900))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rand.Uint32()) | byte(i%4/3*255) // opaque
	}
	img, err := picture.FromImage(noise)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		jpg, err := img.JPEG(95)
		if err != nil {
			t.Fatal(err)
		}
		if jpg.Len() < 600_000 {
			t.Fatalf("%d bytes: too small to be still in flight", jpg.Len())
		}
		reply, err := push.Post(context.Background(), s.URL, jpg)
		clear(jpg.Borrow()) // the race detector sees any later read
		jpg.Release()       // with the tag poison a read faults
		if err == nil && reply.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("%+v", reply)
		}
	}
}

func TestConnectionClosedByServerIsReopened(t *testing.T) {
	c := newCollector()
	f := newFlaky(t, c)
	p := newPusher(t, push.Config{URL: f.url(), Retry: -1})
	for range 20 {
		if err := p.Run(context.Background(), &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		f.kill()
		f.start()
	}
	if state := p.State(); state.Delivered != 20 || state.Failures != 0 {
		t.Errorf("%+v", state)
	}
}

func TestServerWithoutExpectSupport(t *testing.T) {
	c := newCollector()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		c.ServeHTTP(w, r)
	}))
	p := newPusher(t, push.Config{URL: s.URL, As: push.Multipart, Retry: -1})
	if err := p.Run(context.Background(), &list{shots: pictures(t, 3)}); err != nil || len(c.all()) != 3 {
		t.Errorf("%v, %d arrived", err, len(c.all()))
	}
}
