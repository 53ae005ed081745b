package stream_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/server/web"
)

// Proxies add the scheme's default port to Host (nginx's $host:$server_port) and may keep its capitals; a browser's Origin has neither.
func TestOriginsAreComparedWithoutCaseAndDefaultPort(t *testing.T) {
	s, _ := serve(t, nil)
	for _, c := range []struct {
		host, origin string
		code         int
	}{
		{"cam.local:80", "http://cam.local", 200},
		{"cam.local:443", "https://cam.local", 200},
		{"Cam.local:8000", "http://cam.local:8000", 200},
		{"[2001:db8::1]:80", "http://[2001:db8::1]", 200},
		{"cam.local", "http://cam.local:80", 200},
		{"cam.local:443", "http://cam.local", 403},
		{"cam.local:80", "https://cam.local", 403},
		{"cam.local:8000", "http://cam.local", 403},
		{"cam.local:80", "http://evil.local", 403},
		{"cam.local:80", "null", 403},
		{"cam.local:80", "http://cam.local:80.evil.example", 403},
	} {
		r := request(t, "PATCH", s.URLs()[0]+"/api/settings", "{}", "Content-Type", "application/json", "Origin", c.origin)
		r.Host = c.host
		if reply, text := get(t, r); reply.StatusCode != c.code {
			t.Errorf("Host %s, Origin %s: %d, want %d: %s", c.host, c.origin, reply.StatusCode, c.code, text)
		}
	}
}

// A page that points its own host name here (DNS rebinding) is refused, although its Origin equals its Host.
func TestForeignHostNamesAreRefused(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	s, feed := serve(t, func(c *config) { c.Hosts = []string{"Camera.example"} })
	protected, _ := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", "0123456789abcdef") })
	secure, _ := serve(t, func(c *config) { c.TLSCert, c.TLSKey = cert, key })
	feed.publish(t, picture(t, 1))
	for host, code := range map[string]int{
		"127.0.0.1": 200, "192.0.2.9:8000": 200, "[2001:db8::1]:8000": 200, "[::1]": 200, "localhost": 200, "LOCALHOST:8000": 200, "app.localhost": 200,
		own: 200, own + ":8000": 200, own + ".": 200, "maixcam.local": 200, "maixcam.local:8000": 200, "camera.example": 200, "CAMERA.example.:80": 200,
		"evil": 403, "evil.example": 403, "evil.example:8000": 403, "localhost.evil.example": 403, "camera.example.evil.example": 403, "xcamera.example": 403,
		"127.0.0.1.evil.example": 403, "evil.local.example": 403, "local": 403,
	} {
		for method, body := range map[string]string{"GET": "", "PATCH": `{"quality": 60}`} {
			r := request(t, method, s.URLs()[0]+"/api/settings", body, "Content-Type", "application/json", "Origin", "http://"+host)
			r.Host = host
			if reply, text := get(t, r); reply.StatusCode != code {
				t.Errorf("%s with Host %s: %d, want %d: %s", method, host, reply.StatusCode, code, text)
			}
		}
	}
	r := request(t, "GET", protected.URLs()[0]+"/state?token=0123456789abcdef", "")
	r.Host = "public.example"
	if reply, _ := get(t, r); reply.StatusCode != 200 {
		t.Errorf("with authentication: %d", reply.StatusCode)
	}
	r = request(t, "GET", secure.URLs()[0]+"/state", "")
	r.Host = "evil.example"
	if reply, _ := get(t, r); reply.StatusCode != 403 {
		t.Errorf("a name that is not the certificate's: %d", reply.StatusCode)
	}
	conn := ask(t, "tcp", address(s), "GET /snapshot?max_age=1m HTTP/1.0\r\n\r\n") // not a browser
	if line, err := io.ReadAll(io.LimitReader(conn, 12)); err != nil || string(line) != "HTTP/1.0 200" {
		t.Errorf("without Host: %s (%v)", line, err)
	}
}

func TestChangeAuthorization(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const full, view = "0123456789abcdef-full", "0123456789abcdef-view"
	users, tokens := "anna:"+string(hash)+"\nvisitor:"+string(hash)+"  view\n", full+"\n"+view+" view\n"
	for _, c := range []struct {
		control              web.Control
		nobody, anna, viewer int // expected status of a change without authentication, by anna, and by a marked client
		forwarded            int // the same by anna through a proxy
	}{
		{"", 200, 200, 403, 200},
		{web.ControlOpen, 200, 200, 403, 200},
		{web.ControlAuth, 403, 200, 403, 200},
		{web.ControlLocal, 200, 200, 403, 403},
		{web.ControlOff, 403, 403, 403, 403},
	} {
		t.Run(string(c.control), func(t *testing.T) {
			open, _ := serve(t, func(conf *config) { conf.Control = c.control })
			s, feed := serve(t, func(conf *config) {
				conf.Control, conf.AuthFile, conf.TokenFile = c.control, write(t, "users", users), write(t, "tokens", tokens)
			})
			feed.publish(t, picture(t, 1))
			change := func(s *testServer, prepare func(*http.Request)) int {
				t.Helper()
				r := request(t, "PATCH", s.URLs()[0]+"/api/settings", `{"quality": 60}`, "Content-Type", "application/json")
				prepare(r)
				reply, _ := get(t, r)
				return reply.StatusCode
			}
			bearer := func(token string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
			}
			session := func(user string) func(*http.Request) {
				reply, _ := login(t, s, url.Values{"user": {user}, "password": {"right"}})
				if len(reply.Cookies()) != 1 {
					t.Fatalf("login of %s: %d", user, reply.StatusCode)
				}
				return func(r *http.Request) { r.AddCookie(reply.Cookies()[0]) }
			}
			for name, got := range map[string][2]int{
				"no authentication":        {change(open, func(*http.Request) {}), c.nobody},
				"anna":                     {change(s, func(r *http.Request) { r.SetBasicAuth("anna", "right") }), c.anna},
				"anna, cached":             {change(s, func(r *http.Request) { r.SetBasicAuth("anna", "right") }), c.anna},
				"anna's session":           {change(s, session("anna")), c.anna},
				"token":                    {change(s, bearer(full)), c.anna},
				"visitor":                  {change(s, func(r *http.Request) { r.SetBasicAuth("visitor", "right") }), c.viewer},
				"visitor, cached":          {change(s, func(r *http.Request) { r.SetBasicAuth("visitor", "right") }), c.viewer},
				"visitor's session":        {change(s, session("visitor")), c.viewer},
				"view token":               {change(s, bearer(view)), c.viewer},
				"token through a proxy":    {change(s, func(r *http.Request) { bearer(full)(r); r.Header.Set("X-Forwarded-For", "192.0.2.1") }), c.forwarded},
				"anonymous":                {change(s, func(*http.Request) {}), 401},
				"view token with a suffix": {change(s, bearer(view+" view")), 401},
			} {
				if got[0] != got[1] {
					t.Errorf("%s: %d, want %d", name, got[0], got[1])
				}
			}
			for _, path := range []string{"/", "/state", "/api/settings", "/snapshot?max_age=1m"} {
				if reply, _ := get(t, request(t, "GET", s.URLs()[0]+path, "", "Authorization", "Bearer "+view)); reply.StatusCode != 200 {
					t.Errorf("view token: %s: %d", path, reply.StatusCode)
				}
			}
		})
	}
}

// One valid credential suffices, whatever else a proxy or an old program sends with it.
func TestValidCredentialsSuffice(t *testing.T) {
	hash := func(password string) string {
		t.Helper()
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	const token = "0123456789abcdef"
	s, _ := serve(t, func(c *config) {
		// A byte order mark, and a file in Latin-1.
		c.TokenFile = write(t, "tokens", "\xef\xbb\xbf"+token+"\r\n")
		c.AuthFile = write(t, "users", "\xef\xbb\xbfanna:"+hash("a:b:c")+"\r\nj\xfcrgen:"+hash("gr\xfc\xdfe")+"\nmarie:"+hash("été")+"\n")
		c.CORS = "*"
	})
	reply, _ := login(t, s, url.Values{"user": {"anna"}, "password": {"a:b:c"}})
	if len(reply.Cookies()) != 1 {
		t.Fatalf("login: %d", reply.StatusCode)
	}
	cookie := reply.Cookies()[0]
	const foreign = "Basic cHJveHk6c2VjcmV0" // proxy:secret
	for name, prepare := range map[string]func(*http.Request){
		"token and a proxy's Basic":  func(r *http.Request) { r.URL.RawQuery = "token=" + token; r.Header.Set("Authorization", foreign) },
		"cookie and a proxy's Basic": func(r *http.Request) { r.AddCookie(cookie); r.Header.Set("Authorization", foreign) },
		"token and a Digest": func(r *http.Request) {
			r.URL.RawQuery = "token=" + token
			r.Header.Set("Authorization", `Digest username="x"`)
		},
		"token and a wrong Bearer": func(r *http.Request) {
			r.URL.RawQuery = "token=" + token
			r.Header.Set("Authorization", "Bearer other")
		},
		"Bearer and a wrong token":    func(r *http.Request) { r.URL.RawQuery = "token=other"; r.Header.Set("Authorization", "Bearer "+token) },
		"second Authorization header": func(r *http.Request) { r.Header["Authorization"] = []string{foreign, "bearer  " + token} },
		"cookie and another server's": func(r *http.Request) {
			r.Header.Set("Cookie", "maixstream_0123456789ab=OTHER; "+cookie.Name+"="+cookie.Value)
		},
		"password with colons": func(r *http.Request) { r.SetBasicAuth("anna", "a:b:c") },
		"lower-case basic": func(r *http.Request) {
			r.SetBasicAuth("anna", "a:b:c")
			r.Header.Set("Authorization", "basic  "+r.Header.Get("Authorization")[6:])
		},
		"Latin-1 from an old program": func(r *http.Request) { r.SetBasicAuth("j\xfcrgen", "gr\xfc\xdfe") },
		"UTF-8 to a file in Latin-1":  func(r *http.Request) { r.SetBasicAuth("jürgen", "grüße") },
		"Latin-1 to a file in UTF-8":  func(r *http.Request) { r.SetBasicAuth("marie", "\xe9t\xe9") },
		"UTF-8":                       func(r *http.Request) { r.SetBasicAuth("marie", "été") },
	} {
		r := request(t, "GET", s.URLs()[0]+"/state", "")
		prepare(r)
		if reply, text := get(t, r); reply.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, reply.StatusCode, text)
		}
	}
	r := request(t, "GET", s.URLs()[0]+"/state", "", "Authorization", `Digest username="anna", realm="x"`)
	if reply, _ := get(t, r); reply.StatusCode != 401 || !strings.HasPrefix(reply.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("Digest: %d %v", reply.StatusCode, reply.Header)
	}
	if !s.Allow("192.0.2.1:1", "proxy", "secret", token) {
		t.Error("a token next to a password is refused over RTSP")
	}
}

// Servers on one host name, on other ports or below other paths, do not end each other's sessions.
func TestServersOnOneHostKeepSessionsApart(t *testing.T) {
	var servers []*testServer
	var cookies []*http.Cookie
	for range 2 {
		s, _ := serve(t, func(c *config) { c.AuthFile = users(t, "anna") })
		reply, _ := login(t, s, right)
		servers, cookies = append(servers, s), append(cookies, reply.Cookies()...)
	}
	if len(cookies) != 2 || cookies[0].Name == cookies[1].Name || cookies[0].Path != "" {
		t.Fatalf("cookies %v", cookies)
	}
	for i, s := range servers {
		r := request(t, "GET", s.URLs()[0]+"/state", "")
		r.AddCookie(cookies[0])
		r.AddCookie(cookies[1])
		if reply, _ := get(t, r); reply.StatusCode != 200 {
			t.Errorf("server %d with both cookies: %d", i, reply.StatusCode)
		}
	}
}

// X-Forwarded-For is honoured only from trusted proxies.
func TestForwardedAddressesCountFromTrustedProxies(t *testing.T) {
	limited := func(s *testServer, address func(i int) string) bool {
		for i := range 60 {
			r := request(t, "GET", s.URLs()[0]+"/state", "", "X-Forwarded-For", address(i))
			r.Header.Set("Authorization", fmt.Sprintf("Bearer wrong-%d", i))
			if reply, _ := get(t, r); reply.StatusCode == 429 {
				return true
			}
		}
		return false
	}
	started := func(proxies ...string) *testServer {
		s, _ := serve(t, func(c *config) { c.TokenFile, c.TrustedProxies = write(t, "tokens", "0123456789abcdef"), proxies })
		return s
	}
	another := func(i int) string { return fmt.Sprintf("192.0.2.%d", i+1) }
	if !limited(started(), another) {
		t.Error("without a trusted proxy the header evades the limit")
	}
	if !limited(started("10.0.0.0/8"), another) {
		t.Error("the header of an untrusted proxy is honoured")
	}
	if limited(started("127.0.0.1"), another) {
		t.Error("a trusted proxy's clients are counted as one")
	}
	for name, address := range map[string]func(int) string{
		"port":         func(i int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+i) },
		"IPv6 network": func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) },
		"IPv6 port":    func(i int) string { return fmt.Sprintf("[2001:db8::%x]:%d", i+1, 1000+i) },
		"mapped":       func(i int) string { return "::ffff:192.0.2.1" },
		"forged":       func(i int) string { return another(i) + ", 192.0.2.1" },
		"two proxies":  func(i int) string { return another(i) + ", 198.51.100.7, 127.0.0.1" },
	} {
		if !limited(started("127.0.0.1/32"), address) {
			t.Errorf("%s: not counted as one client", name)
		}
	}
	if _, err := web.New(web.Config{TrustedProxies: []string{"nonsense"}}); err == nil {
		t.Error("an invalid proxy address is accepted")
	}
}

// Guesses from many addresses are limited, too.
func TestWrongPasswordsAreLimitedInTotal(t *testing.T) {
	s, _ := serve(t, func(c *config) {
		c.TokenFile, c.TrustedProxies = write(t, "tokens", "0123456789abcdef"), []string{"127.0.0.1"}
	})
	began, wrong := time.Now(), 0
	for i := range 400 {
		r := request(t, "GET", s.URLs()[0]+"/state?token=wrong", "", "X-Forwarded-For", fmt.Sprintf("192.0.%d.%d", i/250, i%250+1))
		if reply, _ := get(t, r); reply.StatusCode != 429 {
			wrong++
		}
	}
	if most := 110 + int(time.Since(began).Seconds()); wrong > most || wrong < 50 {
		t.Errorf("%d guesses from 400 addresses in %v", wrong, time.Since(began))
	}
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state?token=0123456789abcdef", "")); reply.StatusCode != 200 {
		t.Errorf("valid token meanwhile: %d", reply.StatusCode)
	}
}

func TestLogoutEndsSessionStreams(t *testing.T) {
	cert, key := certificate(t)
	for name, secure := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			s, feed := serve(t, func(c *config) {
				c.AuthFile = users(t, "anna")
				if secure {
					c.TLSCert, c.TLSKey = cert, key
				}
			})
			feed.stream(t, 20, func(i int) []byte { return checked(i, 1000) })
			stream := func(prepare func(*http.Request)) {
				t.Helper()
				r := request(t, "GET", s.URLs()[0]+"/stream", "")
				prepare(r)
				reply, err := insecure.Do(r)
				if err != nil || reply.StatusCode != 200 {
					t.Fatalf("%v %v", reply, err)
				}
				t.Cleanup(func() { reply.Body.Close() })
				go func() { _, _ = io.Copy(io.Discard, reply.Body) }()
			}
			reply, _ := login(t, s, right)
			stream(func(r *http.Request) { r.AddCookie(reply.Cookies()[0]) })
			stream(func(r *http.Request) { r.SetBasicAuth("anna", "right") })
			eventually(t, "two viewers", func() bool { return s.State().Server.Viewers == 2 })
			r := request(t, "POST", s.URLs()[0]+"/logout", "")
			r.AddCookie(reply.Cookies()[0])
			get(t, r)
			eventually(t, "the session's viewer is gone", func() bool { return s.State().Server.Viewers == 1 })
			if now := s.Stats().Viewers; now != 1 {
				t.Errorf("%d places are occupied", now)
			}
		})
	}
}

// A full server makes room for another client at the expense of the one with the most viewers.
func TestOneClientCannotTakeAllPlaces(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.MaxClients, c.TrustedProxies = 3, []string{"127.0.0.1"} })
	watch := func(from string) string {
		t.Helper()
		conn := ask(t, "tcp", address(s), "GET /stream HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: "+from+"\r\n\r\n")
		status := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(conn, status); err != nil {
			t.Fatal(err)
		}
		return string(status[len("HTTP/1.1 "):])
	}
	for _, step := range []struct{ from, want string }{
		{"192.0.2.1", "200"},
		{"192.0.2.1", "200"},
		{"192.0.2.1", "200"},
		{"192.0.2.1", "503"},
		{"192.0.2.2", "200"}, // replaces one of the three
		{"192.0.2.2", "503"}, // would only reverse the roles
		{"192.0.2.3", "200"},
		{"192.0.2.4", "503"},
	} {
		if got := watch(step.from); got != step.want {
			t.Errorf("a viewer from %s: %s, want %s", step.from, got, step.want)
		}
		eventually(t, "no more than three viewers", func() bool { return s.State().Server.Viewers <= 3 })
	}
}

func TestReloadKeepsAuthentication(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", "0123456789abcdef") })
	if err := s.Reload(web.Config{}); err == nil || !strings.Contains(err.Error(), "no authentication") {
		t.Errorf("reload: %v", err)
	}
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state", "")); reply.StatusCode != 401 {
		t.Errorf("afterwards: %d", reply.StatusCode)
	}
}

// Other sites may embed pictures, but not pages that can change things.
func TestEmbedding(t *testing.T) {
	s, feed := serve(t, nil)
	opened, _ := serve(t, func(c *config) { c.FrameAncestors = []string{"https://home.example", "http://octo.example:5000"} })
	own, _ := serve(t, func(c *config) { c.Stream.HTML = []byte("mine") })
	feed.publish(t, picture(t, 1))
	policy := func(s *testServer, path string) string {
		t.Helper()
		r := request(t, "HEAD", s.URLs()[0]+path, "")
		reply, _ := get(t, r)
		if reply.StatusCode != 200 {
			t.Errorf("%s: %d", path, reply.StatusCode)
		}
		return strings.Join(reply.Header.Values("Content-Security-Policy"), "; ")
	}
	for _, path := range []string{"/stream", "/snapshot?max_age=1m", "/?action=stream"} {
		if got := policy(s, path); strings.Contains(got, "frame-ancestors") {
			t.Errorf("%s: %s", path, got)
		}
	}
	for page, s := range map[string]*testServer{"the page": s, "a page of the program's own": own} {
		if got := policy(s, "/"); !strings.HasSuffix(got, "frame-ancestors 'self'") {
			t.Errorf("%s: %s", page, got)
		}
	}
	if got := policy(opened, "/"); !strings.HasSuffix(got, "frame-ancestors 'self' https://home.example http://octo.example:5000") {
		t.Errorf("opened: %s", got)
	}
	if _, err := web.New(web.Config{FrameAncestors: []string{"home.example; script-src *"}}); err == nil {
		t.Error("an invalid origin is accepted")
	}
}

func TestPanicsAreLoggedAndCounted(t *testing.T) {
	log, seen := observed()
	shell, err := web.New(web.Config{Listen: []string{"127.0.0.1:0"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	shell.Mount("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			fmt.Fprint(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		panic("a bug")
	}))
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer shell.Close(t.Context())
	if reply, _ := get(t, request(t, "GET", shell.URLs()[0]+"/", "")); reply.StatusCode != 500 {
		t.Errorf("status %d", reply.StatusCode)
	}
	reply, err := http.Get(shell.URLs()[0] + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if _, err := io.ReadAll(reply.Body); err == nil {
		t.Error("a truncated reply looks complete")
	}
	lines := seen.FilterMessage("handling a request panicked").All()
	if len(lines) != 2 || shell.Stats().Panics != 2 || !strings.Contains(fmt.Sprint(lines[0].ContextMap()), "guard_test.go") {
		t.Errorf("%d panics counted, logged: %v", shell.Stats().Panics, lines)
	}
}

// Only relevant errors of net/http are logged, and at a limited rate.
func TestNetworkNoiseIsNotLogged(t *testing.T) {
	log, seen := observed()
	cert, key := certificate(t)
	s, _ := serve(t, func(c *config) { c.TLSCert, c.TLSKey, c.Log = cert, key, log })
	conn := ask(t, "tcp", address(s), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") // not TLS
	_, _ = io.ReadAll(conn)
	eventually(t, "it is noted", func() bool { return seen.FilterMessageSnippet("TLS handshake error").Len() == 1 })
	for _, line := range seen.All() {
		if line.Level > -1 {
			t.Errorf("logged: %v", line)
		}
	}
}

func observed() (*zap.Logger, *observer.ObservedLogs) {
	core, seen := observer.New(zap.DebugLevel)
	return zap.New(core), seen
}

// insecure accepts any certificate.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}

func TestMetricsCountPanics(t *testing.T) {
	s, _ := serve(t, func(c *config) {
		c.Mounts = map[string]http.Handler{"/faulty/": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") })}
	})
	for _, want := range []string{"maixstream_http_panics_total 0\n", "maixstream_http_panics_total 1\n"} {
		if _, body := get(t, request(t, "GET", s.URLs()[0]+"/metrics", "")); !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %q", want)
		}
		if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/faulty/", "")); reply.StatusCode != 500 {
			t.Errorf("status %d", reply.StatusCode)
		}
	}
}
