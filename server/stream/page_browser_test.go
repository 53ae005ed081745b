package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/publish"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server"
	"github.com/maixstream/maixstream/server/stream"
)

// tab is a browser tab.
type tab interface {
	open(t *testing.T, url string)
	// eval returns the value of a JavaScript expression, awaited if it is a promise, as a string; "" if the page is replaced meanwhile, as after
	// submitting a form.
	eval(t *testing.T, expression string) string
	screenshot(t *testing.T) (image.Image, []byte) // also as PNG
	press(t *testing.T, keys ...string)
	viewport(t *testing.T, width, height int)
	hide(t *testing.T) (show func())
	downloads() string // the download folder
}

func stringOf(expression string) string {
	return "(async () => String(await (" + expression + ")))()"
}

// gone recognizes a browser's error about a page that was left during the call.
func gone(message string) bool {
	for _, part := range []string{"navigated or closed", "context was destroyed", "Cannot find context", "destroyed before query", "no such frame", "Discarded"} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// wait waits until a JavaScript expression is true.
func wait(t *testing.T, b tab, what, expression string) {
	t.Helper()
	eventually(t, what, func() bool {
		time.Sleep(breath)
		return b.eval(t, "Boolean("+expression+")") == "true"
	})
}

// breath is the interval between two checks of a page: browsers have other things to do, too.
const breath = 40 * time.Millisecond

func text(t *testing.T, b tab, id string) string {
	t.Helper()
	time.Sleep(breath)
	return b.eval(t, "document.getElementById('"+id+"').innerText.trim()")
}

const live = "document.getElementById('live-text').textContent === 'Live'"

// unpluggable is a source that can be unplugged.
type unpluggable struct {
	frame.Source
	raw    frame.RawSource
	pulled *atomic.Bool
}

// Info hides the folder of photographs.
func (u unpluggable) Info() frame.Info {
	info := u.Source.Info()
	info.Name = filepath.Base(info.Name)
	return info
}

func (u unpluggable) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if u.pulled.Load() {
		return fmt.Errorf("camera unplugged: %w", frame.ErrGone)
	}
	return u.raw.ReadFrame(ctx, f)
}

func (u unpluggable) Resize(width, height int) error {
	return u.raw.(frame.Resizer).Resize(width, height)
}
func (u unpluggable) SetFPS(fps float64) error { return u.raw.(frame.RateSetter).SetFPS(fps) }

// camera is a pipeline with a source on this machine.
type camera struct {
	*pipeline.Pipeline
	ring   *ring.Ring
	pulled atomic.Bool
}

func newCamera(t *testing.T, name string, width, height int) *camera {
	t.Helper()
	c := &camera{}
	settings := pipeline.Settings{Quality: 80, FPS: 20, Width: width, Height: height}
	r, err := ring.New(ring.Config{SlotSize: frame.MaxJPEGSize(1280, 720), Envelope: stream.Envelope()})
	if err != nil {
		t.Fatal(err)
	}
	c.ring = r
	c.Pipeline, err = pipeline.New(pipeline.Config{
		Open: func(_ context.Context, now pipeline.Settings) (frame.Source, error) {
			if c.pulled.Load() {
				return nil, fmt.Errorf("camera unplugged: %w", frame.ErrGone)
			}
			s, err := hw.OpenSource(hw.SourceConfig{Name: name, Width: now.Width, Height: now.Height, FPS: now.FPS})
			if err != nil {
				return nil, err
			}
			return unpluggable{s, s.(frame.RawSource), &c.pulled}, nil
		},
		NewEncoder: hw.NewEncoder, NewTransform: hw.NewTransform, NoSignal: hw.NoSignal, Ring: r, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	t.Cleanup(func() {
		c.Close()
		r.Close()
	})
	return c
}

// show serves a camera; its address ends with the port.
func (c *camera) show(t *testing.T, listen string, change func(*config)) *testServer {
	t.Helper()
	s, err := show(c, func(config *config) {
		config.Listen = []string{listen}
		if change != nil {
			change(config)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func snapshot(t *testing.T, s *testServer) []byte {
	t.Helper()
	reply, body := get(t, request(t, "GET", s.URLs()[0]+"/snapshot", ""))
	if reply.StatusCode != 200 {
		t.Fatalf("snapshot: %d %s", reply.StatusCode, body)
	}
	return []byte(body)
}

// coarseness returns the sum of a JPEG's quantisation tables: the lower the quality, the higher.
func coarseness(t *testing.T, jpg []byte) (sum int) {
	t.Helper()
	for i := 2; i+4 < len(jpg) && jpg[i] == 0xff && jpg[i+1] != 0xda; i += 2 + int(jpg[i+2])<<8 + int(jpg[i+3]) {
		if jpg[i+1] != 0xdb {
			continue
		}
		tables := jpg[i+4 : i+2+int(jpg[i+2])<<8+int(jpg[i+3])]
		for ; len(tables) >= 65 && tables[0]>>4 == 0; tables = tables[65:] {
			for _, q := range tables[1:65] {
				sum += int(q)
			}
		}
	}
	if sum == 0 {
		t.Fatal("the picture has no quantisation tables")
	}
	return sum
}

// inBrowsers runs scenarios in each browser, started once for all of them.
func inBrowsers(t *testing.T, scenarios map[string]func(*testing.T, tab)) {
	testenv.Long(t, "starts browsers")
	for name, start := range map[string]func(*testing.T) tab{
		"Chromium": func(t *testing.T) tab { return startChromium(t) },
		"Firefox":  func(t *testing.T) tab { return startFirefox(t) },
		"WebKit":   func(t *testing.T) tab { return startWebKit(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting
			b := start(t)
			for _, name := range slices.Sorted(maps.Keys(scenarios)) {
				t.Run(name, func(t *testing.T) {
					b.viewport(t, 1280, 800)
					scenarios[name](t, b)
					b.open(t, "about:blank")
				})
			}
		})
	}
}

func TestPage(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){
		"picture and measurements": pageShowsPictures,
		"settings":                 pageChangesSettings,
		"camera controls":          pageControlsCamera,
		"keyboard only":            pageByKeyboard,
		"source unplugged":         pageWithoutSignal,
		"server restarted":         pageReconnects,
		"hidden tab":               pageHidden,
		"phone":                    pageOnPhone,
		"login":                    pageLogin,
		"snapshot and recording":   pageSaves,
		"JPEGStreamer":             pageOfStreamer,
		"full server":              pageOfFullServer,
		"behind a proxy's path":    pageBehindProxy,
		"publishing":               pagePublishes,
	})
}

func pageShowsPictures(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	area := b.eval(t, `(() => { const r = document.getElementById("picture").getBoundingClientRect(); return [r.x, r.y, r.width, r.height].join(" ") })()`)
	var x, y, w, h float64
	if _, err := fmt.Sscan(area, &x, &y, &w, &h); err != nil || w < 900 || h < 700 {
		t.Errorf("the picture has %s of 1280x800 (%v)", area, err)
	}
	row := func() (colours []uint32) {
		img, _ := b.screenshot(t)
		for i := range 200 { // through the sweep and the number
			r, g, b, _ := img.At(int(x+w/2)+i, int(y+h*0.8)).RGBA()
			colours = append(colours, r>>8<<16|g>>8<<8|b>>8)
		}
		return colours
	}
	before := fmt.Sprint(row())
	eventually(t, "the picture on the screen changes", func() bool { return fmt.Sprint(row()) != before })
	eventually(t, "measurements", func() bool {
		fps, err1 := strconv.ParseFloat(strings.TrimSuffix(text(t, b, "short-fps"), " fps"), 64)
		delay, _, _ := strings.Cut(text(t, b, "delay"), " ms ±")
		ms, err2 := strconv.Atoi(delay)
		// Capture to drawn takes some time, but not seconds on one machine.
		return err1 == nil && err2 == nil && fps > 1 && fps < 40 && ms >= 0 && ms < 3000
	})
	for id, want := range map[string]string{"source": "testcard", "encoder": c.State().Encoder, "viewers": "1", "short-size": "640×480"} {
		eventually(t, id+": "+want, func() bool { return text(t, b, id) == want })
	}
	for _, id := range []string{"sent", "seen-bytes"} {
		eventually(t, id, func() bool {
			n, unit, _ := strings.Cut(text(t, b, id), " ")
			v, err := strconv.ParseFloat(n, 64)
			return err == nil && v > 0 && (unit == "MB/s" || unit == "kB/s")
		})
	}
	if outside := b.eval(t, `performance.getEntriesByType("resource").filter((e) => !e.name.startsWith(location.origin + "/")).map((e) => e.name)`); outside != "" {
		t.Errorf("external requests: %s", outside)
	}
}

func pagePublishes(t *testing.T, b tab) {
	var now atomic.Pointer[[]publish.State]
	now.Store(&[]publish.State{})
	s, _ := serve(t, func(c *config) { c.Stream.Publications = func() []publish.State { return *now.Load() } })
	b.open(t, s.URLs()[0])
	wait(t, b, "the state is there", `document.getElementById("source").innerText !== ""`)
	const rows = `[...document.querySelectorAll("#publish li")].filter((r) => r.offsetParent).map((r) => (r.className + "|" + [...r.children].map((c) => c.innerText).join("|"))).join("\n")`
	if got := b.eval(t, rows); got != "" {
		t.Errorf("rows without a server: %s", got)
	}
	now.Store(&[]publish.State{
		{URL: "rtmp://a.example/live/...", Connected: true, FPS: 29.9, BytesPerSec: 250_000, Skipped: 7},
		{URL: "rtsp://b.example/<garden>", Error: "the server replied 401 <b>Unauthorized</b>", RetryIn: 4.2},
		{URL: "rtsp://c.example/door"},
	})
	want := "|rtmp://a.example/live/...|30 fps, 250 kB/s, 7 skipped\n" +
		"away|rtsp://b.example/<garden>|the server replied 401 <b>Unauthorized</b>; trying again in 5 s\n|rtsp://c.example/door|connecting…"
	eventually(t, want, func() bool { return b.eval(t, rows) == want })
	if cut := b.eval(t, cutOff); cut != "" {
		t.Errorf("cut off: %s", cut)
	}
	now.Store(&[]publish.State{{URL: "rtsp://c.example/door", Connected: true}})
	eventually(t, "one row is left", func() bool { return b.eval(t, rows) == "|rtsp://c.example/door|0 fps, 0 kB/s" })
}

func pageChangesSettings(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "settings can be changed", `!document.getElementById("quality").disabled`)
	set := func(id, value, event string) {
		t.Helper()
		b.eval(t, fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event(%q)) })()`, id, value, event))
	}
	set("quality", "95", "input")
	eventually(t, "quality 95", func() bool { return c.State().Settings.Quality == 95 })
	fine := snapshot(t, s)
	set("quality", "10", "input")
	eventually(t, "quality 10", func() bool { return c.State().Settings.Quality == 10 })
	coarse := snapshot(t, s)
	if f, c := coarseness(t, fine), coarseness(t, coarse); c < 4*f || len(coarse) > len(fine)*2/3 {
		t.Errorf("quality 95: tables %d, %d bytes; quality 10: tables %d, %d bytes", f, len(fine), c, len(coarse))
	}
	set("fps", "5", "input")
	eventually(t, "5 fps", func() bool { return c.State().Settings.FPS == 5 })
	eventually(t, "5 fps are seen", func() bool {
		fps, err := strconv.ParseFloat(strings.TrimSuffix(text(t, b, "short-fps"), " fps"), 64)
		return err == nil && fps > 2.5 && fps < 8
	})
	if cut := b.eval(t, cutOff); cut != "" {
		t.Errorf("cut off: %s", cut)
	}
	// Sizes whose pictures might exceed the ring's slots are not offered.
	if sizes := b.eval(t, `[...document.getElementById("size").options].map((o) => o.value)`); sizes != "320×240,640×480,800×600,1280×720" {
		t.Errorf("sizes: %s", sizes)
	}
	set("size", "320×240", "change")
	eventually(t, "the snapshot's size", func() bool {
		size, err := jpeg.DecodeConfig(bytes.NewReader(snapshot(t, s)))
		return err == nil && size.Width == 320 && size.Height == 240
	})
	eventually(t, "the size is seen", func() bool { return text(t, b, "short-size") == "320×240" })
	set("rotate", "90", "change")
	eventually(t, "turned", func() bool {
		size, err := jpeg.DecodeConfig(bytes.NewReader(snapshot(t, s)))
		return err == nil && size.Width == 240 && size.Height == 320
	})
	eventually(t, "the turned size is seen", func() bool { return text(t, b, "short-size") == "240×320" })
	set("rotate", "0", "change")
	for _, id := range []string{"mirror", "flip"} {
		b.eval(t, `document.getElementById("`+id+`").click()`)
	}
	eventually(t, "mirrored and flipped", func() bool { s := c.State().Settings; return s.Mirror && s.Flip && s.Rotate == 0 })
	// The white bar is at the top left of the test card. A frame that was in progress when the settings changed still has the old ones.
	eventually(t, "the white bar at the bottom right", func() bool {
		img, err := jpeg.Decode(bytes.NewReader(snapshot(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		r, g, b, _ := img.At(310, 230).RGBA()
		return r >= 0xb000 && g >= 0xb000 && b >= 0xb000
	})
	// Another client changes something: the page shows it.
	quality := 42
	if _, err := c.Change(t.Context(), pipeline.Change{Quality: &quality}); err != nil {
		t.Fatal(err)
	}
	wait(t, b, "the other's quality", `document.getElementById("quality").value === "42" && document.getElementById("quality-value").textContent === "42"`)
	// A refused change is reported, and the control returns to its old value.
	b.eval(t, `(() => { const e = document.getElementById("fps"); e.max = 1000; e.value = 900; e.dispatchEvent(new Event("input")) })()`)
	eventually(t, "the refusal", func() bool { return strings.HasPrefix(text(t, b, "problem"), "Not changed: setting fps = 900") })
	wait(t, b, "the slider returns", `document.getElementById("fps").value === "5"`)
}

// cutOff lists select elements whose widest word has less room than it needs; the arrow takes some.
const cutOff = `[...document.querySelectorAll("select")].filter((e) => e.offsetParent && (() => {
	const pen = document.createElement("canvas").getContext("2d"), s = getComputedStyle(e);
	pen.font = s.font;
	const widest = Math.max(...[...e.options].map((o) => pen.measureText(o.text).width), e.id === "size" ? pen.measureText("2560×1440").width : 0);
	return widest + 24 > e.clientWidth - parseFloat(s.paddingLeft) - parseFloat(s.paddingRight);
})()).map((e) => e.id)`

// pageByKeyboard operates everything with the keyboard.
func pageByKeyboard(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) {
		config.Stream.Recording = record.NewSwitch(record.Config{Ring: c.ring, Watch: c.Watch, Dir: t.TempDir(), MaxBytes: 8 << 20})
		t.Cleanup(func() { _ = config.Stream.Recording.Close() })
	})
	b.open(t, s.URLs()[0])
	wait(t, b, "settings can be changed", `!document.getElementById("quality").disabled && !document.getElementById("recording").hidden`)
	var order []string
	do := map[string]func(){
		"full": func() {
			b.press(t, "Enter")
			wait(t, b, "full screen", `document.fullscreenElement?.id === "viewer"`)
			wait(t, b, "the picture has all of it", `document.getElementById("picture").getBoundingClientRect().height >= innerHeight - 1`)
			b.press(t, "Enter")
			wait(t, b, "no full screen", `!document.fullscreenElement`)
		},
		"quality": func() {
			b.press(t, "Home")
			eventually(t, "Home: quality 1", func() bool { return c.State().Settings.Quality == 1 })
			b.press(t, "ArrowRight", "ArrowRight")
			eventually(t, "two steps: quality 3", func() bool { return c.State().Settings.Quality == 3 })
		},
		"size": func() {
			b.press(t, "ArrowDown")
			if b.eval(t, `CSS.supports("selector(:open)") && document.activeElement.matches(":open")`) == "true" {
				b.press(t, "ArrowDown", "Enter")
			}
			eventually(t, "another size", func() bool { return c.State().Settings.Width != 320 })
		},
		"mirror":  func() { b.press(t, " "); eventually(t, "mirrored", func() bool { return c.State().Settings.Mirror }) },
		"archive": func() { b.press(t, " "); eventually(t, "recording", func() bool { return s.State().Recording.On }) },
	}
	const want = "snapshot record pause full toggle quality fps size rotate mirror flip archive control-zoom_absolute reflect fill turn open-links open-help"
	for len(order) < strings.Count(want, " ")+1 { // the next Tab would leave the page
		b.press(t, "Tab")
		id := b.eval(t, `document.activeElement.id`)
		if id == "" {
			break
		}
		if id == "panel" { // it scrolls
			continue
		}
		order = append(order, id)
		if outline := b.eval(t, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
			t.Errorf("%s: the focus is not seen", id)
		}
		if action := do[id]; action != nil {
			action()
		}
	}
	if got := strings.Join(order, " "); got != want {
		t.Errorf("tab order %s, want %s", got, want)
	}
	b.eval(t, `document.getElementById("toggle").focus()`)
	b.press(t, "Enter")
	wait(t, b, "the panel is closed", `document.getElementById("panel").hidden && document.getElementById("toggle").getAttribute("aria-expanded") === "false"`)
	b.press(t, "Enter")
	wait(t, b, "the panel is open", `!document.getElementById("panel").hidden`)
}

func pageWithoutSignal(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	eventually(t, "no notice", func() bool { return text(t, b, "notice") == "" })
	c.pulled.Store(true)
	eventually(t, "the notice", func() bool { return strings.HasPrefix(text(t, b, "notice"), "No signal.") })
	if notice := text(t, b, "notice"); !strings.Contains(notice, "camera unplugged") {
		t.Errorf("the notice does not say why: %q", notice)
	}
	wait(t, b, "nothing can be changed", `document.getElementById("quality").disabled && document.getElementById("size").disabled`)
	if title := b.eval(t, "document.title"); !strings.HasPrefix(title, "No signal") {
		t.Errorf("title %q", title)
	}
	b.eval(t, `document.getElementById("snapshot").click()`)
	eventually(t, "no snapshot", func() bool { return text(t, b, "problem") == "No snapshot: there is no signal." })
	c.pulled.Store(false)
	wait(t, b, "the page is live again", live)
	eventually(t, "no notice", func() bool { return text(t, b, "notice") == "" })
	wait(t, b, "settings can be changed", `!document.getElementById("quality").disabled`)
}

func pageReconnects(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	where := address(s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the notice", func() bool { return strings.HasPrefix(text(t, b, "notice"), "Connection lost.") })
	wait(t, b, "the picture that stands still is grey", `getComputedStyle(document.getElementById("picture")).filter.startsWith("grayscale")`)
	s = c.show(t, where, nil)
	wait(t, b, "the page is live again", live)
	eventually(t, "it watches, once", func() bool { return s.State().Server.Viewers == 1 })
	eventually(t, "no notice", func() bool { return text(t, b, "notice") == "" })
}

func pageHidden(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	show := b.hide(t)
	wait(t, b, "the tab is hidden", "document.hidden")
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
	show()
	eventually(t, "it watches again", func() bool { return s.State().Server.Viewers == 1 })
	wait(t, b, "the page is live again", live)
}

func pageOnPhone(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.viewport(t, 390, 844)
	b.open(t, s.URLs()[0])
	wait(t, b, "measurements", live+` && document.getElementById("short-delay").textContent`)
	var m struct{ Window, Width, Picture, Bottom float64 }
	layout := b.eval(t, `JSON.stringify({Window: document.documentElement.clientWidth, Width: document.documentElement.scrollWidth, Picture: document.getElementById("picture").getBoundingClientRect().width,
		Bottom: Math.max(...[...document.querySelectorAll("#buttons > :not([hidden])")].map((e) => e.getBoundingClientRect().bottom))})`)
	if err := json.Unmarshal([]byte(layout), &m); err != nil {
		t.Fatal(err)
	}
	if m.Window > 390 || m.Window < 370 || m.Width > m.Window || m.Picture < m.Window-2 || m.Bottom > 844 { // a scroll bar may take some
		t.Errorf("layout: %+v", m)
	}
	small := b.eval(t, `[...document.querySelectorAll("button, a, select, input")].filter((e) => e.offsetParent && (e.offsetHeight < 24 || e.offsetWidth < 24)).map((e) => e.id)`)
	if small != "" {
		t.Errorf("too small for fingers: %s", small)
	}
}

func pageLogin(t *testing.T, b tab) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	c := newCamera(t, "testcard", 320, 240)
	protect := func(config *config) { config.AuthFile = write(t, "users", "anna:"+string(hash)+"\n") }
	s := c.show(t, "127.0.0.1:0", protect)
	form := `document.querySelector("input[name=password]")`
	b.open(t, s.URLs()[0])
	wait(t, b, "the form", form)
	wait(t, b, "the focus", `document.activeElement.name === "user"`)
	login := func(password string) {
		b.eval(t, `document.querySelector("input[name=user]").focus()`)
		b.press(t, "a", "n", "n", "a", "Tab")
		b.press(t, strings.Split(password, "")...)
		b.press(t, "Enter")
	}
	login("wrong")
	wait(t, b, "the refusal", `document.querySelector("[role=alert]")?.innerText.includes("Incorrect")`)
	// The name is still there, and the password field has the focus.
	wait(t, b, "the focus", `document.activeElement.name === "password" && document.querySelector("input[name=user]").value === "anna"`)
	b.press(t, "r", "i", "g", "h", "t", "Enter")
	wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)
	if cookie := b.eval(t, "document.cookie"); cookie != "" {
		t.Errorf("scripts can read the cookie: %s", cookie)
	}
	b.eval(t, `(() => { const e = document.getElementById("quality"); e.value = 33; e.dispatchEvent(new Event("input")) })()`)
	eventually(t, "a change", func() bool { return c.State().Settings.Quality == 33 })
	b.open(t, s.URLs()[0]) // no further prompt
	wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)

	// Sessions end with the server: the open page asks for credentials once the server is back.
	where := address(s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = c.show(t, where, protect)
	wait(t, b, "the form", form)
	login("right")
	wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)
	b.eval(t, `document.querySelector("#logout button").click()`)
	wait(t, b, "the form", form)
	if reply, _ := get(t, request(t, "GET", s.URLs()[0]+"/state", "")); reply.StatusCode != http.StatusUnauthorized {
		t.Errorf("state: %d", reply.StatusCode)
	}
}

func pageSaves(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	saved := func(pattern string) (name string) {
		t.Helper()
		eventually(t, pattern, func() bool {
			names, _ := filepath.Glob(filepath.Join(b.downloads(), pattern))
			if len(names) != 1 {
				return false
			}
			name = names[0]
			info, err := os.Stat(name)
			return err == nil && info.Size() > 0
		})
		return name
	}
	b.eval(t, `document.getElementById("snapshot").click()`)
	name := saved("maixstream-*.jpg")
	eventually(t, "a whole picture", func() bool {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := jpeg.Decode(f)
		return err == nil && img.Bounds().Dx() == 320
	})
	if b.eval(t, `document.getElementById("record").hidden`) == "true" {
		return // WebKitGTK without GStreamer's encoders
	}
	before := b.eval(t, "total.frames")
	b.eval(t, `document.getElementById("record").click()`)
	if b.eval(t, `document.getElementById("record").hidden`) == "true" {
		if problem := text(t, b, "problem"); !strings.HasPrefix(problem, "No recording: ") {
			t.Errorf("problem %q", problem)
		}
		return
	}
	wait(t, b, "two seconds", `/^Stop \d+:(0[2-9]|[1-9])/.test(document.getElementById("record").innerText.trim()) && total.frames > 10 + `+before)
	b.eval(t, `document.getElementById("record").click()`)
	name = saved("maixstream-*.webm")
	testenv.Program(t, "ffprobe")
	eventually(t, "a film of pictures", func() bool {
		out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,width", "-of", "csv=p=0", name).Output()
		var width, frames int
		_, scan := fmt.Sscanf(strings.TrimSpace(string(out)), "%d,%d", &width, &frames)
		return err == nil && scan == nil && width == 320 && frames >= 3
	})
	if label := text(t, b, "record"); label != "Record" {
		t.Errorf("label %q", label)
	}
}

// pageOfStreamer: controls that the program decides are disabled.
func pageOfStreamer(t *testing.T, b tab) {
	stream := server.NewJPEGStreamer(server.StreamerConfig{Host: "127.0.0.1", Port: -1})
	if err := stream.Start(); err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	if err := stream.WriteBytes(picture(t, 2)); err != nil {
		t.Fatal(err)
	}
	b.open(t, "http://127.0.0.1:"+strconv.Itoa(stream.Port()))
	wait(t, b, "the page is live", live) // at the first picture, without a second one
	if enabled := b.eval(t, `[...document.querySelectorAll("#settings :enabled")].filter((e) => e.offsetParent).map((e) => e.id)`); enabled != "" {
		t.Errorf("offered: %s", enabled)
	}
	if hint := text(t, b, "fixed"); !strings.Contains(hint, "program") {
		t.Errorf("hint %q", hint)
	}
	x, y := middle(t, b)
	eventually(t, "the picture", func() bool { return near(pixel(t, b, x, y), 2) })
	if err := stream.WriteBytes(picture(t, 5)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next picture", func() bool { return near(pixel(t, b, x, y), 5) })
}

func pageOfFullServer(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) { config.MaxClients = 1 })
	other := ask(t, "tcp", address(s), streamRequest)
	eventually(t, "another viewer", func() bool { return s.State().Server.Viewers == 1 })
	b.open(t, s.URLs()[0])
	eventually(t, "the notice", func() bool { return strings.Contains(text(t, b, "notice"), "1 viewers already") })
	other.Close()
	wait(t, b, "the page is live", live)
}

// pageBehindProxy: all addresses are relative, so that the page works below any path of another server.
func pageBehindProxy(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", func(config *config) { config.TokenFile = write(t, "tokens", "0123456789abcdef") })
	target, err := url.Parse(s.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/camera")
		r.Out.Host = r.In.Host
	}}
	front := httptest.NewServer(proxy)
	defer front.Close()
	defer front.CloseClientConnections()
	b.open(t, front.URL+"/camera/")
	wait(t, b, "the form", `document.querySelector("[name=token]")`)
	b.eval(t, `(() => { document.querySelector("[name=token]").value = "0123456789abcdef"; document.querySelector("form").submit() })()`)
	wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)
	if path := b.eval(t, "location.pathname"); path != "/camera/" {
		t.Errorf("browser at %s", path)
	}
	b.eval(t, `(() => { const e = document.getElementById("quality"); e.value = 31; e.dispatchEvent(new Event("input")) })()`)
	eventually(t, "a change", func() bool { return c.State().Settings.Quality == 31 })
	b.eval(t, `document.querySelector("#logout button").click()`)
	wait(t, b, "the form", `document.querySelector("[name=token]")`)
}

// middle returns the centre of the picture on the screen.
func middle(t *testing.T, b tab) (x, y int) {
	t.Helper()
	at := b.eval(t, `(() => { const r = document.getElementById("picture").getBoundingClientRect(); return Math.round(r.x + r.width / 2) + " " + Math.round(r.y + r.height / 2) })()`)
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		t.Fatal(err)
	}
	return x, y
}

func pixel(t *testing.T, b tab, x, y int) [3]uint8 {
	t.Helper()
	img, _ := b.screenshot(t)
	r, g, bl, _ := img.At(x, y).RGBA()
	return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}
}
