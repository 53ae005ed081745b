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
)

// RFC 7616, section 3.9.1.
func TestAnswersOfTheStandard(t *testing.T) {
	for algorithm, want := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c, basic := challenges([]string{`Basic realm="x, y", Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + algorithm +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`})
		if c == nil || !basic {
			t.Fatal("not understood")
		}
		c.count = 1
		got := c.answerWith("GET", "/dir/index.html", Credentials{"Mufasa", "Circle of Life"}, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
		if !strings.Contains(got, `response="`+want+`"`) || !strings.Contains(got, "nc=00000001") || !strings.Contains(got, `opaque="FQhe`) {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
	// RFC 2617's predecessor, without qop: RFC 2069, with its erratum 749.
	c, _ := challenges([]string{`Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`})
	if got := c.answerWith("GET", "/dir/index.html", Credentials{"Mufasa", "CircleOfLife"}, ""); !strings.Contains(got, `response="1949323746fe6a43ef61f9606e7febea"`) {
		t.Error(got)
	}
	for _, field := range []string{"", "Digest", `Digest realm="x"`, `Digest nonce="x", qop="auth-int"`, `Digest nonce="x", algorithm=SHA-512-256`, "Negotiate, Bearer"} {
		if c, basic := challenges([]string{field}); c != nil || basic {
			t.Errorf("%q: %+v, %v", field, c, basic)
		}
	}
}

// server asks for Digest, a new nonce after each three requests, or for Basic.
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
			c := parse(strings.TrimPrefix(given, "Digest "))
			if c != nil && c.nonce == nonce {
				values := map[string]string{}
				for _, item := range items(strings.TrimPrefix(given, "Digest ")) {
					name, value, _ := strings.Cut(item, "=")
					values[name] = unquoted(value)
				}
				var count uint32
				_, _ = fmt.Sscanf(values["nc"], "%x", &count)
				c.realm, c.count, c.auth = "x", count, true
				if strings.Contains(c.answerWith(r.Method, r.URL.RequestURI(), Credentials{"ann", `p:"w`}, values["cnonce"]), values["response"]) {
					return
				}
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", qop="auth", nonce=%q, stale=%v`, nonce, c != nil && c.nonce != nonce))
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	return s, &seen
}

func TestTransportAnswersWhatIsAsked(t *testing.T) {
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
		t.Error("an absent file")
	}
}
