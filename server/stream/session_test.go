package stream_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/server/stream"
)

func users(t *testing.T, names ...string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var lines string
	for _, name := range names {
		lines += name + ":" + string(hash) + "\n"
	}
	return write(t, "users", lines)
}

// login posts the login form as a browser does.
func login(t *testing.T, s *testServer, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	r := request(t, "POST", s.URLs()[0]+"/login", form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	return get(t, r)
}

var right = url.Values{"user": {"anna"}, "password": {"right"}}

func TestSession(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.AuthFile = users(t, "anna") })
	feed.publish(t, picture(t, 1))

	reply, body := get(t, request(t, "GET", s.URLs()[0]+"/", "", "Accept", "text/html,*/*"))
	if reply.StatusCode != 401 || !strings.Contains(body, `name="password"`) || strings.HasPrefix(reply.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("a browser without a session: %d %v", reply.StatusCode, reply.Header)
	}
	reply, _ = login(t, s, right)
	if reply.StatusCode != http.StatusSeeOther || reply.Header.Get("Location") != "./" {
		t.Fatalf("login: %d %v", reply.StatusCode, reply.Header)
	}
	cookie := reply.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure || !strings.HasPrefix(cookie.Name, "maixstream_") || len(cookie.Value) < 22 || cookie.MaxAge < 3600 {
		t.Errorf("cookie: %v", cookie)
	}
	with := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r := request(t, method, s.URLs()[0]+path, body, header...)
		r.AddCookie(cookie)
		reply, text := get(t, r)
		return reply.StatusCode, text
	}
	if code, page := with("GET", "/", ""); code != 200 || !strings.Contains(page, `<form id="logout" method`) {
		t.Errorf("page: %d", code)
	}
	if code, _ := with("GET", "/snapshot?max_age=1m", ""); code != 200 {
		t.Errorf("snapshot: %d", code)
	}

	// The browser sends the cookie with any site's requests: changes requested by other sites are refused.
	const change, json = `{"quality": 55}`, "application/json"
	for _, c := range []struct {
		header []string
		code   int
	}{
		{nil, 200}, // not a browser
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Origin", s.URLs()[0]}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "http://127.0.0.1:1"}, 403}, // another port is another origin, though the same site
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		if code, _ := with("PATCH", "/api/settings", change, append([]string{"Content-Type", json}, c.header...)...); code != c.code {
			t.Errorf("change with %v: %d, want %d", c.header, code, c.code)
		}
	}
	if reply, _ := login(t, s, right, "Origin", "http://evil.example"); reply.StatusCode != 403 {
		t.Errorf("login from another site: %d", reply.StatusCode)
	}
	if code, _ := with("POST", "/logout", "", "Origin", "http://evil.example"); code != 403 {
		t.Errorf("logout from another site: %d", code)
	}

	r := request(t, "GET", s.URLs()[0]+"/state", "", "Accept", "text/event-stream")
	r.AddCookie(cookie)
	events, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if code, _ := with("POST", "/logout", ""); code != http.StatusSeeOther {
		t.Errorf("logout: %d", code)
	}
	if code, _ := with("GET", "/state", ""); code != 401 {
		t.Errorf("state after logout: %d", code)
	}
	if _, err := io.Copy(io.Discard, events.Body); err != nil { // they end
		t.Errorf("events after logout: %v", err)
	}
	for _, value := range []string{"", "x", strings.Repeat("A", 5000)} {
		cookie.Value = value
		if code, _ := with("GET", "/state", ""); code != 401 {
			t.Errorf("state with cookie %.10q: %d", value, code)
		}
	}
}

// Who shows that no login form will be filled in gets a challenge that browsers and programs answer by themselves; a page's own requests get none, as
// browsers would prompt for a password.
func TestChallengeSuitsTheClient(t *testing.T) {
	passwords, _ := serve(t, func(c *config) { c.AuthFile = users(t, "anna") })
	tokens, _ := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", "0123456789abcdef") })
	const expired, wrong = "maixstream_0123456789ab=EXPIRED", "Basic YW5uYTp3cm9uZw=="
	for _, c := range []struct {
		name, path, want string
		s                *testServer
		header           []string
	}{
		{"a program", "/stream", "Basic ", passwords, nil},
		{"a program at the page", "/", "Basic ", passwords, []string{"Accept", "*/*"}},
		{"a browser", "/", "Form ", passwords, []string{"Accept", "text/html,*/*"}},
		{"a browser at the stream", "/stream", "Form ", passwords, []string{"Accept", "text/html,*/*"}},
		{"a browser whose URL has credentials", "/", "Basic ", passwords, []string{"Accept", "text/html,*/*", "Authorization", wrong}},
		{"an image of a page elsewhere", "/stream", "Basic ", passwords, []string{"Accept", "image/avif,image/webp,*/*"}},
		{"the page", "/api/settings", "Form ", passwords, []string{"X-Requested-With", "maixstream"}},
		{"the page's events", "/state", "Form ", passwords, []string{"Accept", "text/event-stream"}},
		{"an expired session", "/stream", "Form ", passwords, []string{"Cookie", expired}},
		{"an expired session and credentials", "/stream", "Basic ", passwords, []string{"Cookie", expired, "Authorization", wrong}},
		{"a program without users", "/stream", "Bearer ", tokens, nil},
	} {
		reply, _ := get(t, request(t, "GET", c.s.URLs()[0]+c.path, "", c.header...))
		if got := reply.Header.Get("WWW-Authenticate"); reply.StatusCode != 401 || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %d %q, want %q", c.name, reply.StatusCode, got, c.want)
		}
	}
}

// With CORS * any page may change settings, but not with somebody's session.
func TestSessionAndCORS(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.AuthFile, c.CORS = users(t, "anna"), "*" })
	reply, _ := login(t, s, right)
	change := func(by func(*http.Request)) int {
		t.Helper()
		r := request(t, "PATCH", s.URLs()[0]+"/api/settings", `{"quality": 55}`, "Content-Type", "application/json", "Origin", "http://other.example")
		by(r)
		reply, _ := get(t, r)
		return reply.StatusCode
	}
	if code := change(func(r *http.Request) { r.AddCookie(reply.Cookies()[0]) }); code != 403 {
		t.Errorf("with the session: %d", code)
	}
	if code := change(func(r *http.Request) { r.SetBasicAuth("anna", "right") }); code != 200 {
		t.Errorf("with the password: %d", code)
	}
}

// After the login a browser is redirected to where it wanted, but never to another server.
func TestLoginRedirect(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.AuthFile = users(t, "anna") })
	for next, want := range map[string]string{
		"": "./", "snapshot?max_age=1s": "./snapshot?max_age=1s", "?action=snapshot": "./?action=snapshot", "https://evil.example/": "./", "//evil.example": "./",
		`\\evil.example`: "./", "javascript:alert(1)": "./", "a/b": "./", "a\r\nX: y": "./",
	} {
		reply, _ := login(t, s, url.Values{"user": {"anna"}, "password": {"right"}, "next": {next}})
		if got := reply.Header.Get("Location"); got != want {
			t.Errorf("next %q: goes to %q, want %q", next, got, want)
		}
	}
	_, form := get(t, request(t, "GET", s.URLs()[0]+`/snapshot?max_age="><script>`, "", "Accept", "text/html"))
	if !strings.Contains(form, `value="snapshot?max_age=`) || strings.Contains(form, `"><script>`) {
		t.Errorf("form: %s", form)
	}
}

func TestLoginWithToken(t *testing.T) {
	const token = "0123456789abcdef"
	s, _ := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", token) })
	if reply, body := login(t, s, url.Values{"token": {"wrong"}}); reply.StatusCode != 401 || !strings.Contains(body, "not known") {
		t.Errorf("wrong token: %d", reply.StatusCode)
	}
	if reply, _ := login(t, s, url.Values{"token": {token}}); reply.StatusCode != http.StatusSeeOther || len(reply.Cookies()) != 1 {
		t.Errorf("right token: %d", reply.StatusCode)
	}
}

// Wrong passwords are limited per address, by whatever means they are sent; known good credentials are not affected.
func TestWrongPasswordsAreLimited(t *testing.T) {
	for range 5 {
		began := time.Now()
		problems := wrongPasswords(t)
		if time.Since(began) < 5*time.Second { // later an address has earned another attempt, and the outcome is uncertain
			for _, problem := range problems {
				t.Error(problem)
			}
			return
		}
	}
	testenv.Unable(t, "this machine is too slow for the limit's five seconds")
}

func wrongPasswords(t *testing.T) (problems []string) {
	t.Helper()
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	const token = "0123456789abcdef"
	s, _ := serve(t, func(c *config) {
		c.AuthFile, c.TokenFile, c.TrustedProxies = users(t, "anna", "bob"), write(t, "tokens", token), []string{"127.0.0.0/8"}
	})
	try := func(user, password, address string) int {
		t.Helper()
		r := request(t, "GET", s.URLs()[0]+"/state", "", "X-Forwarded-For", address) // as from a proxy on this machine
		r.SetBasicAuth(user, password)
		reply, _ := get(t, r)
		return reply.StatusCode
	}
	if code := try("anna", "right", "192.0.2.1"); code != 200 {
		t.Fatalf("right: %d", code)
	}
	wrong := 0
	for ; try("anna", fmt.Sprint("wrong", wrong), "198.51.100.7, 192.0.2.1") == 401; wrong++ {
		if wrong > 50 {
			t.Fatal("50 wrong passwords in a row")
		}
	}
	if wrong < 5 {
		bad("only %d wrong passwords until 429", wrong)
	}
	if code := try("bob", "right", "192.0.2.1"); code != 429 {
		bad("another's right password, not known yet, from that address: %d", code)
	}
	if s.Allow("192.0.2.1:554", "bob", "right", "") {
		t.Error("accepted over RTSP")
	}
	if reply, body := login(t, s, right, "X-Forwarded-For", "192.0.2.1"); reply.StatusCode != http.StatusSeeOther {
		bad("a password that is known to be right: %d %s", reply.StatusCode, body)
	}
	reply, body := login(t, s, url.Values{"user": {"anna"}, "password": {"x"}}, "X-Forwarded-For", "192.0.2.1")
	if reply.StatusCode != 429 || reply.Header.Get("Retry-After") == "" || !strings.Contains(body, "Too many") {
		bad("the form: %d %v", reply.StatusCode, reply.Header)
	}
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state?token=wrong", "", "X-Forwarded-For", "192.0.2.1")); reply.StatusCode != 429 {
		bad("a wrong token: %d", reply.StatusCode)
	}
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state?token="+token, "", "X-Forwarded-For", "192.0.2.1")); reply.StatusCode != 200 {
		bad("the right token: %d", reply.StatusCode)
	}
	if code := try("bob", "right", "192.0.2.2"); code != 200 {
		bad("another address: %d", code)
	}
	// One subscriber typically has a whole /64.
	for i := range wrong {
		try("anna", fmt.Sprint("wrong", i), fmt.Sprintf("2001:db8::%d", i+1))
	}
	if code := try("bob", "wrong", "2001:db8::ffff"); code != 429 {
		bad("another address of the same network: %d", code)
	}
	return problems
}

// Sessions are limited in number: the least recently used one is dropped.
func TestSessionsAreBounded(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.AuthFile = users(t, "anna") })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func() *http.Cookie {
		t.Helper()
		reply, err := client.PostForm(s.URLs()[0]+"/login", right)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.Cookies()[0]
	}
	state := func(c *http.Cookie) int {
		t.Helper()
		r := request(t, "GET", s.URLs()[0]+"/state", "")
		r.AddCookie(c)
		reply, _ := get(t, r)
		return reply.StatusCode
	}
	used, forgotten := post(), post()
	for range 1000 {
		post()
	}
	if code := state(used); code != 200 {
		t.Errorf("before: %d", code)
	}
	for range 100 {
		post()
	}
	if first, second := state(used), state(forgotten); first != 200 || second != 401 {
		t.Errorf("used session: %d, unused: %d", first, second)
	}
}

func TestStateAsEvents(t *testing.T) {
	s, feed := serve(t, nil)
	jpg := picture(t, 1)
	feed.stream(t, 20, func(int) []byte { return jpg })
	r := request(t, "GET", s.URLs()[0]+"/state", "", "Accept", "text/event-stream")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.Header.Get("Content-Type") != "text/event-stream" || reply.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers %v", reply.Header)
	}
	lines := bufio.NewScanner(reply.Body)
	began, events := time.Now(), 0
	var first, last stream.State
	for events < 3 && lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			if lines.Text() != "" && lines.Text() != "retry: 1000" {
				t.Errorf("line %q", lines.Text())
			}
			continue
		}
		uptime := last.UptimeSeconds
		if err := json.Unmarshal([]byte(data), &last); err != nil {
			t.Fatal(err)
		}
		// A late event may repeat the state, as on a busy machine: events are made for all followers together.
		if last.UptimeSeconds < uptime || last.Version != "test" {
			t.Errorf("event %d: %+v", events, last)
		}
		if events++; events == 1 {
			first = last
		}
	}
	if took := time.Since(began); events < 3 || took < time.Second || last.UptimeSeconds <= first.UptimeSeconds {
		t.Errorf("%d events in %v, from %v s to %v s", events, took, first.UptimeSeconds, last.UptimeSeconds)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the event stream was cut off instead of ended: %v", err)
	}
}

// Followers of the state are limited in total; one address cannot take the places of others.
func TestFollowersAreBounded(t *testing.T) {
	s, _ := serve(t, nil)
	const follow = "GET /state HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
	status := func(from string) (string, net.Conn) {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", address(s))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, follow); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line), conn
	}
	var oldest net.Conn
	for i := range 256 {
		line, conn := status("127.0.0.1")
		if line != "HTTP/1.1 200 OK" {
			t.Fatalf("follower %d: %s", i, line)
		}
		if oldest == nil {
			oldest = conn
		}
	}
	if line, _ := status("127.0.0.1"); line != "HTTP/1.1 503 Service Unavailable" {
		t.Errorf("one more: %s", line)
	}
	if runtime.GOOS != "linux" {
		return // no second loopback address
	}
	if line, _ := status("127.0.0.2"); line != "HTTP/1.1 200 OK" {
		t.Errorf("another address's first: %s", line)
	}
	_ = oldest.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, oldest); err != nil {
		t.Errorf("the oldest of the address with all places was not ended: %v", err)
	}
}

// The page, the login form and /state show a stream's name, whatever it contains.
func TestNameIsShown(t *testing.T) {
	const name = `Garden <&"front">`
	s, _ := serve(t, func(c *config) { c.AuthFile, c.Name, c.Stream.Name = users(t, "anna"), name, name })
	title := "Garden &lt;&amp;&#34;front&#34;&gt;</title>"
	if _, form := get(t, request(t, "GET", s.URLs()[0]+"/", "", "Accept", "text/html")); !strings.Contains(form, title) || !strings.Contains(form, `name="password"`) {
		t.Errorf("the login has no %s", title)
	}
	r := request(t, "GET", s.URLs()[0]+"/", "")
	r.SetBasicAuth("anna", "right")
	if _, html := get(t, r); !strings.Contains(html, title) {
		t.Errorf("the page has no %s", title)
	}
	r = request(t, "GET", s.URLs()[0]+"/state", "")
	r.SetBasicAuth("anna", "right")
	var state stream.State
	if _, text := get(t, r); json.Unmarshal([]byte(text), &state) != nil || state.Name != name {
		t.Errorf("/state: %+v", state)
	}
}

// A byte order mark, and names in Latin-1 in the file or from the client, are handled.
func TestEncodingsOfFilesAndCredentials(t *testing.T) {
	utf8, latin1 := "jürgen", "j\xfcrgen"
	hash, err := bcrypt.GenerateFromPassword([]byte("größe"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef"
	for name, file := range map[string]string{"UTF-8": utf8, "byte order mark": "\ufeff" + utf8, "Latin-1": latin1, "byte order mark before a comment": "\ufeff# users\r\n" + utf8} {
		s, _ := serve(t, func(c *config) {
			c.AuthFile, c.TokenFile = write(t, "users", file+":"+string(hash)+"\r\n"), write(t, "tokens", "\ufeff"+token+"\r\n")
		})
		for _, sent := range [][2]string{{utf8, "größe"}, {latin1, "gr\xf6\xdfe"}} {
			r := request(t, "GET", s.URLs()[0]+"/state", "")
			r.SetBasicAuth(sent[0], sent[1])
			if reply, _ := get(t, r); reply.StatusCode != 200 {
				t.Errorf("%s, as %q: %d", name, sent, reply.StatusCode)
			}
		}
		if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state?token="+token, "")); reply.StatusCode != 200 {
			t.Errorf("%s: token: %d", name, reply.StatusCode)
		}
	}
}
