package upload_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/internal/testenv/browser"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/maixstream/maixstream/server/upload"
)

// chromium starts a browser for the gallery.
func chromium(t *testing.T) context.Context {
	t.Helper()
	testenv.Long(t, "starts a browser")
	return browser.Start(t, 1200, 860)
}

// scene is a test picture: a hill under a sky, with the device's name and a sun that moves with i.
func scene(t testing.TB, name string, i int) []byte {
	t.Helper()
	const w, h = 640, 480
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	tone := 0
	for _, c := range name {
		tone = tone*31 + int(c)
	}
	horizon := 240 + tone%100
	for y := range h {
		for x := range w {
			hill := float64(horizon) + 40*math.Sin(float64(x+tone%300)/90)
			if float64(y) < hill {
				img.SetRGBA(x, y, color.RGBA{uint8(90 + y/4), uint8(140 + y/5), 225, 255})
			} else {
				img.SetRGBA(x, y, color.RGBA{uint8(40 + tone%60), uint8(150 - (y-horizon)/3), uint8(60 + tone%40), 255})
			}
		}
	}
	sun := image.Pt(60+i*26%520, 110-i*3%60)
	draw.Draw(img, image.Rect(sun.X-28, sun.Y-28, sun.X+28, sun.Y+28), image.NewUniform(color.RGBA{255, 210, 60, 255}), image.Point{}, draw.Src)
	d := font.Drawer{Dst: img, Src: image.White, Face: basicfont.Face7x13, Dot: fixed.P(16, h-16)}
	d.DrawString(fmt.Sprintf("%s  #%d", name, i))
	return encodeJPEG(t, img, 85)
}

// near reports whether the colour is that of picture(…, i), allowing for JPEG's loss.
func near(c [3]uint8, i int) bool {
	return testenv.Near(c, [3]uint8{uint8(i * 40), uint8(255 - i*25), uint8(i * 90)})
}

// evaluate runs JavaScript in the page; errors while the page is navigating are ignored.
func evaluate[T any](ctx context.Context, t *testing.T, script string) (v T) {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil && (strings.Contains(err.Error(), "navigated or closed") || strings.Contains(err.Error(), "context was destroyed") || strings.Contains(err.Error(), "Cannot find context")) {
		var none T
		return none
	}
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

func perform(ctx context.Context, t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func TestGallery(t *testing.T) {
	const token = "0123456789abcdef"
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	s := receive(t, t.TempDir(), func(c *upload.Config) {
		c.HTTP.TokenFile = tokens
		if runtime.GOOS == "linux" { // where nothing else takes the port while the server is down
			c.HTTP.Listen = []string{"127.86.0.2:0"}
		}
	})
	send := func(device string, body []byte, at time.Time) {
		t.Helper()
		postOK(t, s, "?token="+token+"&device="+device, body, headers{"X-Timestamp": stampOf(at)})
	}
	ctx := chromium(t)
	perform(ctx, t, chromedp.Navigate(s.URLs()[0]+"/?token="+token))
	testenv.Eventually(t, "instructions", func() bool {
		return strings.Contains(evaluate[string](ctx, t, `document.querySelector("#empty").innerText`), "curl --data-binary")
	})

	now := time.Now()
	for i := range 8 {
		send("garden", encodeJPEG(t, picture(320, 240, i), 85), now.Add(time.Duration(i-8)*time.Minute))
	}
	send("door", encodeJPEG(t, picture(320, 240, 2), 85), now)
	testenv.Eventually(t, "both devices are shown, with their newest pictures", func() bool {
		return evaluate[int](ctx, t, `document.querySelectorAll("#grid li").length`) == 2 && near(browser.Shown(ctx, t, `[data-device=garden] img`), 7) && near(browser.Shown(ctx, t, `[data-device=door] img`), 2)
	})
	send("door", encodeJPEG(t, picture(320, 240, 5), 85), now)
	testenv.Eventually(t, "a new picture is shown by itself", func() bool { return near(browser.Shown(ctx, t, `[data-device=door] img`), 5) })

	// With the keyboard: a device, live.
	perform(ctx, t, chromedp.Focus(`[data-device=garden]`), chromedp.KeyEvent(kb.Enter))
	testenv.Eventually(t, "the newest picture, live", func() bool { return near(browser.Shown(ctx, t, "#large"), 7) })
	for _, i := range []int{3, 6, 1} {
		send("garden", encodeJPEG(t, picture(320, 240, i), 85), time.Now())
		testenv.Eventually(t, fmt.Sprint("picture ", i, " live"), func() bool { return near(browser.Shown(ctx, t, "#large"), i) })
	}
	if title := evaluate[string](ctx, t, `document.querySelector("dialog[open] h2").innerText`); title != "garden" {
		t.Errorf("title %q", title)
	}
	// The timeline has all three; go back in time with it, and step by step.
	testenv.Eventually(t, "the timeline has all", func() bool { return evaluate[string](ctx, t, `document.querySelector("#slider").max`) == "10" })
	perform(ctx, t, chromedp.Focus("#slider"), chromedp.KeyEvent(kb.Home))
	testenv.Eventually(t, "the oldest", func() bool { return near(browser.Shown(ctx, t, "#large"), 0) })
	if pressed := evaluate[string](ctx, t, `document.querySelector("#live").getAttribute("aria-pressed")`); pressed != "false" {
		t.Errorf("aria-pressed of live is %s while the past is shown", pressed)
	}
	testenv.Eventually(t, "no live viewers", func() bool {
		postOK(t, s, "?token="+token+"&device=garden", encodeJPEG(t, picture(320, 240, 1), 85), nil)
		return s.State().Viewers == 1 // the gallery's events
	})
	for i := 1; i < 4; i++ {
		perform(ctx, t, chromedp.Click("#later"))
		testenv.Eventually(t, fmt.Sprint("one later: ", i), func() bool { return near(browser.Shown(ctx, t, "#large"), i) })
	}
	perform(ctx, t, chromedp.Click("#earlier"))
	testenv.Eventually(t, "one earlier", func() bool { return near(browser.Shown(ctx, t, "#large"), 2) })
	perform(ctx, t, chromedp.KeyEvent(kb.Escape))
	testenv.Eventually(t, "closed, and the focus where it was", func() bool {
		return evaluate[bool](ctx, t, `!document.querySelector("dialog[open]") && document.activeElement.dataset.device === "garden"`)
	})

	// On a phone nothing is wider than the screen.
	perform(ctx, t, chromedp.EmulateViewport(360, 740))
	if wide := evaluate[int](ctx, t, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("the page is %d wide on a screen of 360", wide)
	}
	perform(ctx, t, chromedp.Click(`[data-device=door]`))
	if wide := evaluate[int](ctx, t, `document.querySelector("dialog").scrollWidth`); wide > 360 {
		t.Errorf("a device is %d wide on a screen of 360", wide)
	}
	if names := evaluate[string](ctx, t, `[...document.querySelectorAll("button, input, select, a")].filter((e) => !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.innerText.trim()).map((e) => e.id).join()`); names != "" {
		t.Errorf("no accessible name: %s", names)
	}

	// The server stops and restarts: the page shows it where the user looks, also in a device's view.
	url := s.URLs()[0]
	stop(t, s)
	testenv.Eventually(t, "the connection is reported lost", func() bool {
		return strings.Contains(evaluate[string](ctx, t, `document.querySelector("dialog[open] #lost").innerText`), "connection lost")
	})
	perform(ctx, t, chromedp.KeyEvent(kb.Escape))
	evaluate[bool](ctx, t, `(scrollTo(0, 9999), true)`)
	if seen := evaluate[bool](ctx, t, `(() => { const r = document.querySelector("#notice").getBoundingClientRect(); return r.height > 0 && r.top >= 0 && r.bottom <= innerHeight })()`); !seen {
		t.Error("not visible in the header")
	}
	again := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.Listen = []string{strings.TrimPrefix(url, "http://")} })
	postOK(t, again, "?device=new", encodeJPEG(t, picture(320, 240, 4), 85), nil)
	testenv.Eventually(t, "it reconnects with the current pictures", func() bool {
		return evaluate[string](ctx, t, `[...document.querySelectorAll("#grid button")].map((b) => b.dataset.device).join()`) == "new"
	})
}

// With passwords, a person logs in through the form and gets the gallery and live pictures.
func TestGalleryAfterLogin(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.TokenFile = tokens })
	postOK(t, s, "?device=a", encodeJPEG(t, picture(320, 240, 3), 85), headers{"Authorization": "Bearer 0123456789abcdef"})
	ctx := chromium(t)
	perform(ctx, t, chromedp.Navigate(s.URLs()[0]), chromedp.SendKeys(`[name=token]`, "0123456789abcdef"+kb.Enter))
	testenv.Eventually(t, "the newest picture", func() bool {
		return evaluate[int](ctx, t, `document.querySelectorAll("#grid li").length`) == 1 && near(browser.Shown(ctx, t, `[data-device=a] img`), 3)
	})
	perform(ctx, t, chromedp.Click(`[data-device=a]`))
	testenv.Eventually(t, "the newest picture, live", func() bool { return near(browser.Shown(ctx, t, "#large"), 3) })
	perform(ctx, t, chromedp.Click(`#close`), chromedp.Click(`#logout button`))
	testenv.Eventually(t, "the form again", func() bool { return evaluate[bool](ctx, t, `!!document.querySelector("[name=token]")`) })
}

// emulate sets the page's colour scheme.
func emulate(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// The gallery passes axe-core (WCAG 2.2 A and AA, and its best practices), light and dark.
func TestGalleryIsAccessible(t *testing.T) {
	axe := testenv.Axe(t)
	s := receive(t, t.TempDir(), nil)
	ctx := chromium(t)
	check := func(what string) {
		t.Helper()
		result, err := chromedp.Run(ctx, chromedp.Evaluate[string]("(() => {"+axe+`
			})(), axe.run(document).then((r) => JSON.stringify(r.violations.map((v) => v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; "))))`,
			chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		if result != "[]" {
			t.Errorf("%s: %s", what, result)
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		perform(ctx, t, emulate(scheme), chromedp.Navigate(s.URLs()[0]))
		testenv.Eventually(t, "the page", func() bool {
			return evaluate[bool](ctx, t, `document.querySelectorAll("#grid li").length > 0 || !document.querySelector("#empty").hidden`)
		})
		check(scheme + ", first")
		for i := range 10 {
			postOK(t, s, fmt.Sprint("?device=d", i), scene(t, "x", i), nil)
		}
		testenv.Eventually(t, "the devices", func() bool { return evaluate[int](ctx, t, `document.querySelectorAll("#grid li").length`) == 10 })
		check(scheme + ", devices")
		perform(ctx, t, chromedp.Click(`[data-device=d3]`))
		testenv.Eventually(t, "the list", func() bool {
			return evaluate[string](ctx, t, `document.querySelector("#slider").getAttribute("aria-valuetext")`) != "no picture"
		})
		check(scheme + ", a device")
		perform(ctx, t, chromedp.EmulateViewport(390, 800))
		check(scheme + ", a device on a phone")
		perform(ctx, t, chromedp.EmulateViewport(1200, 860))
	}
}

// Screenshots for the manual, on request.
func TestGalleryScreenshots(t *testing.T) {
	dir := testenv.OnRequest(t, "MAIXSTREAM_SCREENSHOTS", "make screenshots")
	s := receive(t, t.TempDir(), nil)
	names := []string{"barn", "front-door", "garden", "greenhouse", "hives", "pond", "workshop", "yard"}
	for k, name := range names {
		for i := range 40 {
			postOK(t, s, "?device="+name, scene(t, name, i), headers{"X-Timestamp": stampOf(time.Now().Add(time.Duration(i-39) * time.Duration(k+1) * time.Minute / 2))})
		}
	}
	ctx := chromium(t)
	shoot := func(name string) {
		t.Helper()
		for range 10 { // live, and while the page finishes painting
			postOK(t, s, "?device=garden", scene(t, "garden", 39), nil)
			time.Sleep(200 * time.Millisecond)
		}
		b, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	perform(ctx, t, chromedp.Navigate(s.URLs()[0]))
	shoot("receive.png")
	perform(ctx, t, emulate("dark"), chromedp.Click(`[data-device=garden]`))
	shoot("receive-device.png")
	perform(ctx, t, emulate("light"))
	perform(ctx, t, chromedp.EmulateViewport(390, 800))
	shoot("receive-phone.png")
	if reply, _ := get(t, s, "/devices"); reply.StatusCode != http.StatusOK {
		t.Error(reply.Status)
	}
}
