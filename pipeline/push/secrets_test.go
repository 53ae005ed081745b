package push_test

import (
	"context"
	"crypto/md5"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/pipeline/push"
)

// digestServer requires Digest authentication; a nonce is valid for a few requests.
func digestServer(t *testing.T, c *collector, holds int) (s *httptest.Server, challenges *atomic.Int64) {
	t.Helper()
	challenges = new(atomic.Int64)
	uses := map[string]int{}
	var lock guard
	s = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := digest.ParseCredentials(r.Header.Get("Authorization"))
		ok := err == nil && strings.HasPrefix(r.Header.Get("Authorization"), "Digest ")
		if ok {
			hash := func(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }
			want := hash(fmt.Sprintf("%s:%s:%08x:%s:auth:%s", hash("cam:pass:word:geheim"), got.Nonce, got.Nc, got.Cnonce, hash(r.Method+":"+r.URL.RequestURI())))
			lock.mu.Lock()
			uses[got.Nonce]++
			ok = got.Response == want && got.Nc == uses[got.Nonce] && got.Nc <= holds
			lock.mu.Unlock()
		}
		if !ok {
			w.Header().Add("WWW-Authenticate", `Basic realm="no"`)
			w.Header().Add("WWW-Authenticate", fmt.Sprintf(`Digest realm="pass:word", qop="auth", nonce="n%d", algorithm=MD5`, challenges.Add(1)))
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		c.ServeHTTP(w, r)
	}))
	return s, challenges
}

func TestDigestAuthentication(t *testing.T) {
	for _, mode := range []push.Mode{push.Raw, push.Form, push.Multipart} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			for _, where := range []string{"file", "URL"} {
				for _, holds := range []int{1, 1000} {
					c := newCollector()
					s, challenges := digestServer(t, c, holds)
					config := push.Config{URL: s.URL + "/in/{name}?a=/b", As: mode, Method: method, Retry: -1}
					if where == "file" {
						config.AuthFile = writeFile(t, "\xef\xbb\xbf# who\r\ncam:geheim\r\n")
					} else {
						config.URL = strings.Replace(config.URL, "http://", "http://cam:geheim@", 1)
					}
					p := newPusher(t, config)
					if err := p.Run(t.Context(), &list{shots: pictures(t, 3)}); err != nil {
						t.Fatal(err)
					}
					if n := len(c.all()); n != 3 || p.State().Refused != 0 {
						t.Errorf("%s %s, %s: %d arrived, %+v", mode, method, where, n, p.State())
					}
					if n := challenges.Load(); mode == push.Multipart && n != 1 || mode != push.Multipart && n != int64(min(3, 3/holds+1)) {
						t.Errorf("%s, %d requests per nonce: %d challenges", mode, holds, n)
					}
				}
			}
		}
	}
	// A wrong password is reported after one more attempt.
	for _, mode := range []push.Mode{push.Raw, push.Multipart} {
		c := newCollector()
		s, challenges := digestServer(t, c, 1000)
		var outcomes results
		p := newPusher(t, push.Config{URL: s.URL, As: mode, AuthFile: writeFile(t, "cam:falsch"), Retry: -1, OnResult: outcomes.add})
		if err := p.Run(t.Context(), &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		if got := outcomes.list(); len(got) != 1 || got[0].Reply.StatusCode != 401 || challenges.Load() != 2 || len(c.all()) != 0 {
			t.Errorf("%s: outcomes %+v after %d challenges", mode, got, challenges.Load())
		}
	}
	s, _ := digestServer(t, newCollector(), 1000)
	reply, err := push.Post(t.Context(), strings.Replace(s.URL, "http://", "http://cam:geheim@", 1), push.File(jpeg(t, 1)))
	if err != nil || !reply.OK() {
		t.Errorf("Post: %+v, %v", reply, err)
	}
}

// A redirect to another host carries none of the caller's headers; one within the host carries all but the Referer.
func TestRedirectsToOtherHostsCarryNoSecrets(t *testing.T) {
	headers := writeFile(t, "# of the printer\nToken: geheim\nX-Api-Key: geheim\n")
	for name, c := range map[string]struct {
		host  string
		carry bool
	}{"the same host": {"127.0.0.1", true}, "another host": {"localhost", false}} {
		for _, code := range []int{307, 308} {
			other := newCollector()
			far := serve(t, other)
			u, _ := url.Parse(far.URL)
			near := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://"+c.host+":"+u.Port()+"/there", code)
			}))
			p := newPusher(t, push.Config{
				URL: strings.Replace(near.URL, "://", "://me:geheim@", 1) + "/?token=geheim", HeaderFile: headers, Device: "cam", Retry: -1,
				Header: http.Header{"Cookie": {"geheim"}, "X-Room": {"geheim"}},
			})
			if err := p.Run(t.Context(), &list{shots: pictures(t, 1)}); err != nil {
				t.Fatal(err)
			}
			all := other.all()
			if len(all) != 1 {
				t.Fatalf("%s: %d arrived", name, len(all))
			}
			h := all[0].header
			if h.Get("Referer") != "" || h.Get("Content-Type") != "image/jpeg" || h.Get("Idempotency-Key") == "" || h.Get("X-Device") != "cam" {
				t.Errorf("%s: %v", name, h)
			}
			for _, secret := range []string{"Authorization", "Token", "X-Api-Key", "Cookie", "X-Room"} {
				if (h.Get(secret) != "") != c.carry {
					t.Errorf("%s: %s: %q", name, secret, h.Get(secret))
				}
			}
		}
	}
}

func TestHeaderFile(t *testing.T) {
	var lock guard
	allowed := "one"
	c := newCollector()
	c.answer = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Header.Get("Token") == lock.get(&allowed) {
			return false
		}
		http.Error(w, "no", http.StatusForbidden)
		return true
	}
	s := serve(t, c)
	for _, mode := range []push.Mode{push.Raw, push.Form, push.Multipart} {
		name := writeFile(t, "\xef\xbb\xbfToken: one\r\n\r\n# a comment\nfingerprint:  abc \n")
		lock.set(&allowed, "one")
		p := newPusher(t, push.Config{URL: s.URL, As: mode, HeaderFile: name, Header: http.Header{"X-Room": {"cellar"}, "User-Agent": {"other"}}})
		before := len(c.all())
		if err := p.Run(t.Context(), &list{shots: pictures(t, 1)}); err != nil {
			t.Fatal(err)
		}
		all := c.all()
		if len(all) != before+1 {
			t.Fatalf("%s: did not arrive", mode)
		}
		if h := all[before].header; h.Get("Fingerprint") != "abc" || h.Get("X-Room") != "cellar" || h.Get("User-Agent") != "other" {
			t.Errorf("%s: %v", mode, h)
		}
		lock.set(&allowed, "two") // a new token needs no restart
		if err := os.WriteFile(name, []byte("Token: two\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context(), &list{shots: pictures(t, 2)}); err != nil {
			t.Fatal(err)
		}
		if mode != push.Multipart && len(c.all()) != before+2 {
			t.Errorf("%s: %d arrived after the change", mode, len(c.all())-before)
		}
	}
	for text, want := range map[string]string{"": "nothing in it", "# only\n": "nothing in it", "Token geheim": "a header is", "To ken: geheim": "a header is", ": geheim": "a header is", "Token: ge\x01heim": "a header is"} {
		if _, err := push.New(push.Config{URL: s.URL, HeaderFile: writeFile(t, text)}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := push.New(push.Config{URL: s.URL, HeaderFile: filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("missing header file accepted")
	}
}

func TestCallersHeaderWins(t *testing.T) {
	c := newCollector()
	s := serve(t, c)
	p := newPusher(t, push.Config{URL: s.URL, Header: http.Header{"Content-Type": {"image/jpg"}, "X-Timestamp": {"1"}}})
	if err := p.Run(t.Context(), &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if all := c.all(); len(all) != 1 || all[0].contentType != "image/jpg" || all[0].stamp != "1" {
		t.Errorf("%+v", all)
	}
}

func TestWorldReadableSecretFilesCauseWarning(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644} {
		core, seen := observer.New(zap.WarnLevel)
		for _, set := range []func(*push.Config, string){
			func(c *push.Config, n string) { c.AuthFile = n }, func(c *push.Config, n string) { c.TokenFile = n }, func(c *push.Config, n string) { c.HeaderFile = n },
		} {
			name := writeFile(t, "X-User:geheim\n")
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
			c := push.Config{URL: "http://h/", Log: zap.New(core)}
			set(&c, name)
			newPusher(t, c)
		}
		if want := map[os.FileMode]int{0o600: 0, 0o644: 3}[mode]; seen.Len() != want {
			t.Errorf("%o: %d warnings, want %d", mode, seen.Len(), want)
		}
	}
}

// The redirect's target may be gone later: the next request asks again.
func TestStreamFollowsRedirectForOneRequest(t *testing.T) {
	for _, code := range []int{307, 308} {
		c := newCollector()
		var asked, elsewhere atomic.Int64
		mux := http.NewServeMux()
		mux.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				http.Redirect(w, r, "/gone", code)
				return
			}
			c.ServeHTTP(w, r)
		})
		mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) {
			elsewhere.Add(1)
			http.Error(w, "moved away", http.StatusServiceUnavailable)
		})
		s := serve(t, mux)
		p := newPusher(t, push.Config{URL: s.URL + "/start", As: push.Multipart, Retry: time.Minute})
		if err := p.Run(t.Context(), &list{shots: pictures(t, 3)}); err != nil {
			t.Fatal(err)
		}
		if len(c.all()) == 0 || elsewhere.Load() != 1 || asked.Load() != 2 {
			t.Errorf("%d: %d arrived; asked %d times, and elsewhere %d times", code, len(c.all()), asked.Load(), elsewhere.Load())
		}
	}
	// A loop also ends.
	s := serve(t, http.RedirectHandler("/", http.StatusTemporaryRedirect))
	var outcomes results
	p := newPusher(t, push.Config{URL: s.URL, As: push.Multipart, OnResult: outcomes.add})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Run(ctx, &list{shots: pictures(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); len(got) != 1 || got[0].Err == nil {
		t.Errorf("outcomes %+v", got)
	}
}

// Retry-After is capped, shown while waiting, and reported.
func TestLongRetryAfterIsCappedAndShown(t *testing.T) {
	for _, value := range []string{"604800", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		for _, mode := range []push.Mode{push.Raw, push.Multipart} {
			c := newCollector()
			answers(c, http.Header{"Retry-After": {value}}, 503)
			s := serve(t, c)
			core, seen := observer.New(zap.WarnLevel)
			p := newPusher(t, push.Config{URL: s.URL, As: mode, Log: zap.New(core)})
			end := run(p, &list{shots: pictures(t, 1)})
			var state push.State
			for deadline := time.Now().Add(30 * time.Second); state.RetryIn == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				state = p.State()
			}
			if state.RetryIn < 200 || state.RetryIn > 300 || state.RetryAt < float64(time.Now().Unix()) || state.RetryAt > float64(time.Now().Unix()+301) || !state.Away {
				t.Errorf("%s, %s: %+v", mode, value, state)
			}
			for seen.FilterMessageSnippet("retry later").Len() == 0 && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
			_ = end()

			c = newCollector()
			answers(c, http.Header{"Retry-After": {value}}, 503)
			s = serve(t, c)
			p = newPusher(t, push.Config{URL: s.URL, As: mode, MaxWait: time.Second})
			if err := p.Run(t.Context(), &list{shots: pictures(t, 1)}); err != nil || len(c.all()) != 1 {
				t.Errorf("%s, %s with a limit of 1 s: %v, %d arrived", mode, value, err, len(c.all()))
			}
			if p.State().RetryIn != 0 {
				t.Errorf("%+v: not waiting", p.State())
			}
		}
	}
}
