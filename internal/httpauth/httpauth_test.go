package httpauth

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/icholy/digest"
)

// server requires Digest, with a new nonce after every three requests, or Basic.
func server(t *testing.T, scheme string) (*httptest.Server, *[]string) {
	t.Helper()
	var seen []string
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, strings.SplitN(given, " ", 2)[0]+string(body))
		nonce := fmt.Sprint("nonce", n/3)
		n++
		switch {
		case scheme == "Basic":
			if user, password, ok := r.BasicAuth(); ok && user == "ann" && password == `p:"w` {
				return
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		default:
			given, err := digest.ParseCredentials(r.Header.Get("Authorization"))
			if err == nil && given.Nonce == nonce {
				challenge := &digest.Challenge{Realm: "x", Nonce: nonce, QOP: []string{"auth"}}
				want, err := digest.Digest(challenge, digest.Options{Method: r.Method, URI: r.URL.RequestURI(), Count: given.Nc, Cnonce: given.Cnonce, Username: "ann", Password: `p:"w`})
				if err == nil && want.Response == given.Response {
					return
				}
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", qop="auth", nonce=%q`, nonce))
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	return s, &seen
}

func TestTransportAnswersChallenges(t *testing.T) {
	for _, scheme := range []string{"Basic", "Digest"} {
		s, seen := server(t, scheme)
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: Transport(http.DefaultTransport, u, &Credentials{"ann", `p:"w`})}
		for i := range 8 {
			reply, err := client.Post(s.URL+"/a?b=c", "image/jpeg", strings.NewReader("+"))
			if err != nil || reply.StatusCode != http.StatusOK {
				t.Fatal(scheme, i, err, reply)
			}
			reply.Body.Close()
		}
		if (*seen)[0] != "+" || (*seen)[1] != scheme+"+" || len(*seen) > 13 {
			t.Errorf("%s: %q", scheme, *seen)
		}
		wrong := &http.Client{Transport: Transport(http.DefaultTransport, u, &Credentials{"ann", "x"})}
		reply, err := wrong.Get(s.URL)
		if err != nil || reply.StatusCode != http.StatusUnauthorized {
			t.Error(scheme, "wrong password:", err, reply)
		}
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	other, seen := server(t, "Basic")
	redirecting := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer redirecting.Close()
	u, _ := url.Parse(redirecting.URL)
	client := &http.Client{Transport: Transport(http.DefaultTransport, u, &Credentials{"ann", `p:"w`})}
	reply, err := client.Get(redirecting.URL)
	if err != nil || reply.StatusCode != http.StatusUnauthorized || len(*seen) != 1 || (*seen)[0] != "" {
		t.Errorf("%v, %v, %q", err, reply, *seen)
	}
}

func TestCredentialsFromAFileOrTheURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth")
	if err := os.WriteFile(file, []byte("\ufeff# comment\r\n\r\nann:p:w \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("http://bob:s%40cret@host/")
	if c, err := Find(u, ""); err != nil || *c != (Credentials{"bob", "s@cret"}) {
		t.Error(c, err)
	}
	if c, err := Find(u, file); err != nil || *c != (Credentials{"ann", "p:w "}) {
		t.Error(c, err)
	}
	if c, err := Find(&url.URL{}, ""); c != nil || err != nil {
		t.Error(c, err)
	}
	if _, err := Find(u, file+"x"); err == nil {
		t.Error("missing file accepted")
	}
}
