package upload_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/internal/testenv/browser"
)

// isLive is true where a device's view claims to be live.
const isLive = `/^live/.test(document.querySelector("#caption").textContent) && document.querySelector("#live").textContent === "Live"`

// Devices and moments have URLs, which can be bookmarked; Back works. Pictures can be downloaded, deleted and played.
func TestGalleryAddresses(t *testing.T) {
	s := receive(t, t.TempDir(), nil)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 8 {
		postOK(t, s, "?device=garden.north", encodeJPEG(t, picture(320, 240, i), 85), headers{"X-Timestamp": stampOf(begin.Add(time.Duration(i) * time.Minute))})
	}
	postOK(t, s, "?device=door", encodeJPEG(t, picture(320, 240, 5), 85), nil)
	name := s.Devices()[1].Name
	ctx := chromium(t)
	large := func(what string, i int) {
		t.Helper()
		testenv.Eventually(t, what, func() bool { return near(browser.Shown(ctx, t, "#large"), i) })
	}
	is := func(what, script string) {
		t.Helper()
		testenv.Eventually(t, what, func() bool { return evaluate[bool](ctx, t, script) })
	}
	perform(ctx, t, chromedp.Navigate(s.URLs()[0]))
	is("the devices", `document.querySelectorAll("#grid li").length === 2`)
	perform(ctx, t, chromedp.Click(`[data-device="`+name+`"]`))
	large("the newest", 7)
	is("the device's address", `new URLSearchParams(location.search).get("device") === "`+name+`" && !location.search.includes("at=")`)
	is("thumbnails along the time line", `document.querySelectorAll("#strip img").length === 8 && [...document.querySelectorAll("#strip img")].every((e) => e.naturalWidth === 320)`)
	perform(ctx, t, chromedp.Click(`#strip button:nth-child(4)`))
	large("the fourth", 3)
	is("the moment's address", `location.search.includes("at=")`)
	kept := evaluate[string](ctx, t, "location.href")
	is("it can be downloaded", `document.querySelector("#download").download.endsWith(".jpg") && document.querySelector("#download").href.includes("/files/")`)

	// Live only while pictures arrive.
	evaluate[bool](ctx, t, `(history.back(), true)`)
	large("the newest again", 7)
	evaluate[bool](ctx, t, `(devices.get("`+name+`").info.arrived -= 780, true)`) // as if it had arrived then
	is("how old it is", `/^newest 13 min ago/.test(document.querySelector("#caption").textContent) && document.querySelector("#live").textContent === "Newest"`)
	testenv.Eventually(t, "live", func() bool {
		postOK(t, s, "?device=garden.north", encodeJPEG(t, picture(320, 240, 2), 85), nil)
		time.Sleep(200 * time.Millisecond) // few pictures: they are played below
		return evaluate[bool](ctx, t, isLive)
	})
	evaluate[bool](ctx, t, `(history.back(), true)`)
	is("no device", `!document.querySelector("dialog[open]") && !location.search`)

	// The saved URL shows the same.
	perform(ctx, t, chromedp.Navigate("about:blank"), chromedp.Navigate(kept))
	large("the fourth", 3)
	perform(ctx, t, chromedp.Focus("#slider"), chromedp.KeyEvent(kb.Home))
	large("the first", 0)
	perform(ctx, t, chromedp.Click("#play"))
	is("it plays to the end", `Number(document.querySelector("#slider").value) === Number(document.querySelector("#slider").max) && !playing`)
	large("the last", 2)

	// Deleting asks first, then shows a neighbour.
	perform(ctx, t, chromedp.Navigate(kept))
	large("the fourth", 3)
	before := s.State().Pictures
	evaluate[bool](ctx, t, `(window.confirm = () => false, document.querySelector("#delete").click(), true)`)
	large("it is there", 3)
	evaluate[bool](ctx, t, `(window.confirm = (text) => { window.asked = text; return true }, document.querySelector("#delete").click(), true)`)
	large("the next", 4)
	testenv.Eventually(t, "one fewer is kept", func() bool { return s.State().Pictures == before-1 })
	if asked := evaluate[string](ctx, t, "window.asked"); !strings.HasPrefix(asked, "Delete the picture of ") {
		t.Errorf("asked %q", asked)
	}
}

// A device's view is live for about three of its pictures' intervals after the newest, then it says how old that one is.
func TestGalleryIsLiveOnlyWhilePicturesArrive(t *testing.T) {
	s := receive(t, t.TempDir(), nil)
	send := func(i int) { postOK(t, s, "?device=door", encodeJPEG(t, picture(320, 240, i), 85), nil) }
	send(1)
	ctx := chromium(t)
	perform(ctx, t, chromedp.Navigate(s.URLs()[0]+"/?device=door"))
	testenv.Eventually(t, "live, at a known rate", func() bool {
		send(2)
		return evaluate[bool](ctx, t, isLive+` && devices.get("door").info.fps > 1`)
	})
	testenv.Eventually(t, "the age of the newest, after the last", func() bool {
		return evaluate[bool](ctx, t, `/^newest [0-9]+ s ago/.test(document.querySelector("#caption").textContent) && document.querySelector("#live").textContent === "Newest" && document.querySelector("#large").alt === "newest picture of door"`)
	})
	testenv.Eventually(t, "live again", func() bool {
		send(3)
		return evaluate[bool](ctx, t, isLive)
	})

	for _, c := range []struct {
		fps, old float64
		live     bool
	}{
		{fps: 10, old: 2, live: true},
		{fps: 10, old: 3, live: false},
		{fps: 0.5, old: 6, live: true},
		{fps: 0.5, old: 8, live: false},
		{fps: 0, old: 2, live: true}, // less often than is measured
		{fps: 0, old: 3, live: false},
		{fps: 0.05, old: 12, live: false},
	} {
		if live := evaluate[bool](ctx, t, fmt.Sprintf(`fresh({fps: %v, arrived: Date.now() / 1000 - skew - %v})`, c.fps, c.old)); live != c.live {
			t.Errorf("%.2f pictures per second, the newest %v s ago: live is %v", c.fps, c.old, live)
		}
	}
}

// A deleted picture is gone from lists, disk and counts; another site's page cannot delete any.
func TestDeletePictures(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	begin := time.Now().Add(-time.Hour)
	for i := range 3 {
		postOK(t, s, "?device=a", encodeJPEG(t, picture(320, 240, i), 85), headers{"X-Timestamp": stampOf(begin.Add(time.Duration(i) * time.Minute))})
	}
	remove := func(file string, more ...string) int {
		t.Helper()
		r, err := http.NewRequest("DELETE", s.URLs()[0]+"/files/"+file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(more); i += 2 {
			r.Header.Set(more[i], more[i+1])
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	newest := s.Devices()[0].Newest.File
	if code := remove(newest, "Origin", "http://other.example", "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden {
		t.Errorf("another site's page: %d", code)
	}
	bytes := s.State().Bytes
	if code := remove(newest); code != http.StatusNoContent {
		t.Fatalf("delete: %d", code)
	}
	d := s.Devices()[0]
	if d.Pictures != 2 || d.Newest.File == newest || s.State().Bytes >= bytes {
		t.Errorf("after it: %+v, %d bytes", d, s.State().Bytes)
	}
	for _, file := range []string{newest, "a", "a/b", "../a", "b/" + newest, newest + "x"} {
		if code := remove(file); code != http.StatusNotFound {
			t.Errorf("delete %s: %d", file, code)
		}
	}
	for range 2 {
		if code := remove(s.Devices()[0].Newest.File); code != http.StatusNoContent {
			t.Errorf("delete: %d", code)
		}
	}
	if left := s.Devices(); len(left) != 0 || s.State().Bytes != 0 {
		t.Errorf("%v, %d bytes are left", left, s.State().Bytes)
	}
	postOK(t, s, "?device=a", encodeJPEG(t, picture(320, 240, 1), 85), nil)
	if n := s.State().Pictures; n != 1 {
		t.Errorf("afterwards there are %d", n)
	}
}
