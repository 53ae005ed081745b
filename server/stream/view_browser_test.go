package stream_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
)

func TestPageStatus(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){
		"frozen picture":             pageStalls,
		"buffered events":            pageWithoutEvents,
		"broken proxy":               pageBehindBrokenProxy,
		"unreadable stream":          pageShowsImage,
		"credentials in the address": pageWithCredentials,
		"proxy with a password":      pageBehindPassword,
		"stream opened directly":     streamAlone,
		"many windows":               pageManyWindows,
		"abandoned page":             pageLeft,
	})
}

func TestPageView(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){
		"pause, zoom, turn": pageTurns,
		"shortcuts":         pageShortcuts,
		"full screen":       pageFullScreen,
		"links":             pageLinks,
		"bare picture":      pageBare,
		"one row of buttons": func(t *testing.T, b tab) {
			c := newCamera(t, "testcard", 1280, 720)
			s := c.show(t, "127.0.0.1:0", nil)
			for _, size := range [][2]int{{1280, 800}, {800, 480}} {
				b.viewport(t, size[0], size[1])
				b.open(t, s.URLs()[0])
				wait(t, b, "measurements", live+` && document.getElementById("short-delay").textContent`)
				if height := b.eval(t, `document.getElementById("bar").offsetHeight < 64`); height != "true" {
					t.Errorf("the bar at %v has more than one row", size)
				}
			}
		},
	})
}

// front is a proxy before a server; change may reply in its place.
func front(t *testing.T, s *testServer, change func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(s.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !change(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

func pageStalls(t *testing.T, b tab) {
	s, feed := serve(t, nil)
	jpg := picture(t, 3)
	stop := feed.stream(t, 15, func(int) []byte { return jpg })
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live+` && total.frames > 10`)
	stop()
	wait(t, b, "it stalls", `/^Stalled, [2-9] s$/.test(document.getElementById("live-text").textContent)`)
	wait(t, b, "the picture that stands still is grey", `getComputedStyle(document.getElementById("picture")).filter.startsWith("grayscale")`)
	feed.stream(t, 15, func(int) []byte { return jpg })
	wait(t, b, "the page is live again", live)
}

// pageWithoutEvents: a proxy buffers server-sent events; pictures arrive.
func pageWithoutEvents(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	where := front(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Accept") != "text/event-stream" {
			return false
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	})
	b.open(t, where)
	wait(t, b, "the state is asked for", live+` && state && state.source.name === "testcard"`)
	for range 20 { // longer than the page waits for events
		if status := text(t, b, "live-text"); status != "Live" && !strings.HasPrefix(status, "Stalled") {
			t.Fatalf("pictures arrive, but the status is %q", status)
		}
		b.eval(t, `new Promise((done) => setTimeout(done, 400))`)
	}
	quality := 33
	if _, err := c.Change(t.Context(), pipeline.Change{Quality: &quality}); err != nil {
		t.Fatal(err)
	}
	wait(t, b, "another's change is shown", `document.getElementById("quality").value === "33"`)
}

func pageBehindBrokenProxy(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	var broken atomic.Bool
	where := front(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if !broken.Load() {
			return false
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html><h1>502 Bad Gateway</h1><hr>nginx</html>")
		return true
	})
	b.open(t, where)
	wait(t, b, "settings can be changed", `!document.getElementById("quality").disabled`)
	before := b.eval(t, `document.getElementById("quality").value`)
	broken.Store(true)
	b.eval(t, `stream.abort(), stream = null, watch(), true`) // a failing proxy ends the running stream
	eventually(t, "the notice", func() bool { return strings.Contains(text(t, b, "notice"), "the proxy answers 502") })
	if notice := text(t, b, "notice"); strings.ContainsAny(notice, "<>") || strings.Contains(notice, "nginx") {
		t.Errorf("the notice contains the proxy's page: %q", notice)
	}
	wait(t, b, "the status", `document.getElementById("live-text").textContent === "Offline"`)
	wait(t, b, "nothing can be changed", `["quality", "fps", "size", "rotate", "mirror", "flip"].every((id) => document.getElementById(id).disabled)`)
	wait(t, b, "the controls show what holds", `document.getElementById("quality").value === "`+before+`"`)
	broken.Store(false)
	wait(t, b, "the page is live again", live)
	wait(t, b, "settings can be changed", `!document.getElementById("quality").disabled`)
}

// pageShowsImage: if a script cannot read the stream, the browser shows it in an <img>.
func pageShowsImage(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	where := front(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("form") != "page" {
			return false
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(bytes.Repeat([]byte("something else\n"), 200))
		return true
	})
	b.open(t, where)
	wait(t, b, "an image", `document.querySelector("img#moving")?.naturalWidth === 320`)
	wait(t, b, "the page is live", live)
	x, y := middleOf(t, b, "moving")
	before := pixel(t, b, x, y)
	eventually(t, "it moves", func() bool { return pixel(t, b, x, y) != before })
	b.eval(t, `document.getElementById("pause").click()`)
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
}

func usersFile(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("right:@1"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "users", "anna:"+string(hash)+"\n")
}

// withCredentials adds anna's credentials to an address.
func withCredentials(address, password string) string {
	u, _ := url.Parse(address)
	u.User = url.UserPassword("anna", password)
	return u.String() + "/"
}

func pageWithCredentials(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) { config.AuthFile = usersFile(t) })
	b.open(t, withCredentials(s.URLs()[0], "right:@1"))
	wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)
	b.eval(t, `document.querySelector("#logout button").click()`)
	wait(t, b, "the form", `document.querySelector("input[name=password]")`)
	b.open(t, withCredentials(s.URLs()[0], "wrong"))
	wait(t, b, "the refusal", `document.querySelector("[role=alert]")?.innerText.includes("Incorrect")`)
}

func pageBehindPassword(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	where := front(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "anna" && password == "right:@1" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="proxy", charset="UTF-8"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	b.open(t, withCredentials(where, "right:@1"))
	wait(t, b, "the page is live", live)
	b.eval(t, `(() => { const e = document.getElementById("quality"); e.value = 34; e.dispatchEvent(new Event("input")) })()`)
	eventually(t, "a change", func() bool { return c.State().Settings.Quality == 34 })
	b.eval(t, `document.getElementById("open-links").click()`)
	if links := text(t, b, "addresses"); strings.Contains(links, "anna") || !strings.Contains(links, where+"/stream") {
		t.Errorf("links: %s", links)
	}
}

// streamAlone: a browser opened at the stream itself shows each picture without waiting for the next one.
func streamAlone(t *testing.T, b tab) {
	if _, ok := b.(*firefox); ok {
		testenv.Unable(t, "Firefox shows a part only at the boundary after it")
	}
	s, feed := serve(t, func(c *config) {
		c.Stream.HTML = []byte(`<!doctype html><style>body{margin:0}iframe{border:0;width:640px;height:480px}</style>`)
	})
	feed.publish(t, picture(t, 1))
	b.open(t, s.URLs()[0])
	b.eval(t, `(() => { const f = document.createElement("iframe"); f.src = "stream"; document.body.append(f) })()`) // it never finishes loading
	eventually(t, "the page watches the stream", func() bool { return s.State().Server.Viewers == 1 })
	if form := s.State().Server.List[0].Form; form != "browser" {
		t.Errorf("it received the %s form", form)
	}
	if _, ok := b.(*webkit); ok {
		return // a frame that is still loading cannot be captured
	}
	for _, i := range []int{2, 5, 8} {
		feed.publish(t, picture(t, i))
		eventually(t, fmt.Sprintf("picture %d is seen", i), func() bool { return near(pixel(t, b, 100, 100), i) || near(pixel(t, b, 320, 240), i) })
	}
}

// pageManyWindows: windows of one browser share one stream, so that its limit of six connections per host leaves some for changes.
func pageManyWindows(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) {
		config.Stream.HTML = []byte("<!doctype html>" + strings.Repeat(`<iframe src="?bare" width="200" height="150"></iframe>`, 8))
	})
	b.open(t, s.URLs()[0])
	const each = `[...document.querySelectorAll("iframe")].every((f) => f.contentDocument.getElementById("live-text")?.textContent === "Live")`
	wait(t, b, "all are live", each)
	eventually(t, "they share a stream", func() bool { return s.State().Server.Viewers == 1 })
	const patch = `fetch("api/settings", {method: "PATCH", headers: {"Content-Type": "application/json"}, body: '{"quality": 35}'}).then((r) => r.status)`
	if status := b.eval(t, patch); status != "200" || c.State().Settings.Quality != 35 {
		t.Errorf("change: %s", status)
	}
	for n := 8; n > 1; n-- { // whichever leads
		b.eval(t, `document.querySelector("iframe").remove()`)
		time.Sleep(300 * time.Millisecond) // a frozen picture would be reported after 1.5 s
		wait(t, b, "the others are live", each)
		eventually(t, "they share a stream", func() bool { return s.State().Server.Viewers == 1 })
	}
}

// pageLeft: a page that was left is no viewer any more, immediately.
func pageLeft(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) { config.StallTimeout = time.Hour })
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	b.eval(t, `stream.abort(), stream = null, watch(), true`)
	wait(t, b, "the page is live", live)
	eventually(t, "the abandoned request is no viewer", func() bool { return s.State().Server.Viewers == 1 })
	b.open(t, "about:blank")
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
}

func pageTurns(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	b.eval(t, `document.getElementById("turn").click()`)
	wait(t, b, "turned", `document.getElementById("picture").width === 480 && document.getElementById("picture").height === 640`)
	if settings := c.State().Settings; settings.Rotate != 0 || settings.Width != 640 {
		t.Errorf("turned for all viewers: %+v", settings)
	}
	b.eval(t, `document.getElementById("pause").click()`)
	wait(t, b, "paused", `document.getElementById("live-text").textContent === "Paused"`)
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
	for range 3 { // a paused picture can be turned
		b.eval(t, `document.getElementById("turn").click()`)
	}
	wait(t, b, "turned back", `document.getElementById("picture").width === 640`)
	b.eval(t, `document.getElementById("pause").click()`)
	wait(t, b, "the page is live", live)

	b.eval(t, `(() => { const s = document.getElementById("stage"), r = s.getBoundingClientRect();
		s.dispatchEvent(new WheelEvent("wheel", { deltaY: -150, clientX: r.left + 10, clientY: r.top + 10, bubbles: true, cancelable: true })) })()`)
	wait(t, b, "zoomed", `zoom.by > 1.2 && document.getElementById("picture").getBoundingClientRect().width > 1.2 * document.getElementById("stage").clientWidth`)
	wait(t, b, "the corner stays", `Math.abs(document.getElementById("picture").getBoundingClientRect().left - document.getElementById("stage").getBoundingClientRect().left) < 10`)
	b.eval(t, `document.getElementById("unzoom").click()`)
	wait(t, b, "the whole picture", `zoom.by === 1 && document.getElementById("unzoom").hidden`)
	b.eval(t, `document.getElementById("fill").click()`)
	wait(t, b, "it fills", `getComputedStyle(document.getElementById("picture")).objectFit === "cover"`)
	b.eval(t, `document.getElementById("fill").click()`)
}

func pageShortcuts(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	b.press(t, " ")
	wait(t, b, "paused", `document.getElementById("live-text").textContent === "Paused"`)
	b.press(t, " ")
	wait(t, b, "the page is live", live)
	b.press(t, "+", "+")
	wait(t, b, "zoomed", `zoom.by > 1.5`)
	b.press(t, "ArrowRight")
	wait(t, b, "moved", `zoom.x < 0`)
	b.press(t, "0")
	wait(t, b, "the whole picture", `zoom.by === 1`)
	b.press(t, "s")
	eventually(t, "a snapshot", func() bool {
		names, _ := filepath.Glob(filepath.Join(b.downloads(), "maixstream-*.jpg"))
		return len(names) > 0
	})
	b.press(t, "?")
	wait(t, b, "the list", `document.querySelector("dialog[open]#help")?.innerText.includes("Full screen")`)
	b.eval(t, `document.getElementById("single").click()`)
	b.press(t, "Escape")
	wait(t, b, "no list", `!document.querySelector("dialog[open]")`)
	b.eval(t, `document.activeElement.blur()`)
	b.press(t, " ", "?")
	if open := b.eval(t, `document.querySelector("dialog[open]") || paused`); open != "false" {
		t.Error("disabled shortcuts still work")
	}
	b.eval(t, `localStorage.clear()`)
}

// pageFullScreen: the bar hides although the pressed button has the focus.
func pageFullScreen(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	b.eval(t, `document.getElementById("full").focus()`)
	b.press(t, "Enter")
	wait(t, b, "full screen", `document.fullscreenElement?.id === "viewer" && document.activeElement.id === "full"`)
	wait(t, b, "the bar hides", `getComputedStyle(document.getElementById("bar")).opacity === "0"`)
	b.press(t, "Tab")
	wait(t, b, "a key brings it back", `getComputedStyle(document.getElementById("bar")).opacity !== "0"`)
	b.eval(t, `document.exitFullscreen()`)
}

func pageLinks(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) { config.TokenFile = write(t, "tokens", "0123456789abcdef") })
	b.open(t, s.URLs()[0]+"/?token=0123456789abcdef")
	wait(t, b, "the page is live", live)
	b.eval(t, `document.getElementById("open-links").click()`)
	wait(t, b, "the links", `document.querySelector("dialog[open]#links")`)
	links := text(t, b, "links")
	for _, want := range []string{s.URLs()[0] + "/\n", s.URLs()[0] + "/?bare", s.URLs()[0] + "/stream", s.URLs()[0] + "/snapshot", "OctoPrint", "go2rtc", "cv2.VideoCapture"} {
		if !strings.Contains(links, want) {
			t.Errorf("%q is missing in %s", want, links)
		}
	}
	if strings.Contains(links, "0123456789abcdef") {
		t.Error("the links contain the token")
	}
	reader := testenv.Program(t, "zbarimg")
	_, shot := b.screenshot(t)
	name := filepath.Join(t.TempDir(), "page.png")
	if err := os.WriteFile(name, shot, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(reader, "-q", "--raw", name).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != s.URLs()[0]+"/" {
		t.Errorf("the QR code contains %q (%v)", got, err)
	}
	// Copying without navigator.clipboard, as over plain HTTP.
	b.eval(t, `(() => { Object.defineProperty(navigator, "clipboard", { value: undefined }); document.querySelector("#links .links button").click() })()`)
	wait(t, b, "it is copied or marked", `/Copied|Marked/.test(document.querySelector("#links .links button").textContent)`)
}

func pageBare(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0]+"/?bare")
	wait(t, b, "a picture", `total.frames > 3 && !document.getElementById("stage").classList.contains("empty")`)
	for _, size := range [][2]int{{640, 480}, {390, 844}} {
		b.viewport(t, size[0], size[1])
		wait(t, b, "nothing else", `innerWidth === document.getElementById("picture").getBoundingClientRect().width && innerHeight === document.getElementById("picture").getBoundingClientRect().height &&
			[...document.querySelectorAll("button, input, select, a")].every((e) => !e.offsetParent)`)
	}
}

func middleOf(t *testing.T, b tab, id string) (x, y int) {
	t.Helper()
	at := b.eval(t, `(() => { const r = document.getElementById("`+id+`").getBoundingClientRect(); return Math.round(r.x + r.width / 2) + " " + Math.round(r.y + r.height * .8) })()`)
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		t.Fatal(err)
	}
	return x, y
}

// The page works without JavaScript, below a path and with a token: all its addresses are relative.
func TestPageWithoutScript(t *testing.T) {
	s, _ := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", "0123456789abcd&f") })
	reply, html := get(t, request(t, "GET", s.URLs()[0]+"/?token=0123456789abcd%26f", ""))
	if reply.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", reply.StatusCode, html)
	}
	if !strings.Contains(html, `<noscript><img id="picture" src="stream?token=0123456789abcd%26f"`) {
		t.Error("the script-less image lacks the token")
	}
	for _, attribute := range []string{`src="`, `href="`, `action="`} {
		for _, rest := range strings.Split(html, attribute)[1:] {
			if value, _, _ := strings.Cut(rest, `"`); strings.HasPrefix(value, "/") || strings.Contains(value, "://") {
				t.Errorf("%s%s is not relative", attribute, value)
			}
		}
	}
	reply, manifest := get(t, request(t, "GET", s.URLs()[0]+"/manifest.webmanifest?token=0123456789abcd%26f", ""))
	if kind := reply.Header.Get("Content-Type"); kind != "application/manifest+json" || !strings.Contains(manifest, `"start_url":"./?token=0123456789abcd%26f"`) {
		t.Errorf("manifest: %s %s", kind, manifest)
	}
	for _, name := range []string{"icon-180.png", "icon-192.png", "icon-512.png"} {
		reply, body := get(t, request(t, "GET", s.URLs()[0]+"/"+name, ""))
		size, err := png.DecodeConfig(strings.NewReader(body))
		if err != nil || reply.Header.Get("Content-Type") != "image/png" || !strings.Contains(name, fmt.Sprint(size.Width)) || size.Width != size.Height {
			t.Errorf("%s: %v %v", name, size, err)
		}
	}
	if reply, body := get(t, request(t, "GET", s.URLs()[0]+"/favicon.ico", "")); reply.StatusCode != http.StatusOK || !strings.HasPrefix(body, "\x00\x00\x01\x00") {
		t.Errorf("favicon.ico: %d %s", reply.StatusCode, base64.StdEncoding.EncodeToString([]byte(body)))
	}
}

// At a wrong address people get links to the right ones, and programs plain text.
func TestNotFoundPage(t *testing.T) {
	s, _ := serve(t, nil)
	for path, link := range map[string]string{"/nothing": `href="stream"`, "/a/b": `href="../stream"`, "/%3Cscript%3E": `href="snapshot"`} {
		reply, html := get(t, request(t, "GET", s.URLs()[0]+path, "", "Accept", "text/html"))
		if reply.StatusCode != http.StatusNotFound || !strings.Contains(html, link) || strings.Contains(html, "<script>") {
			t.Errorf("%s: %d %s", path, reply.StatusCode, html)
		}
	}
	if reply, text := get(t, request(t, "GET", s.URLs()[0]+"/nothing", "")); reply.StatusCode != http.StatusNotFound || strings.Contains(text, "<") {
		t.Errorf("without Accept: %d %s", reply.StatusCode, text)
	}
}
