package stream_test

import (
	"context"
	"fmt"
	_ "image/png"
	"strconv"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv/browser"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/server"
)

// chromiumContext starts a headless Chromium.
func chromiumContext(t *testing.T) context.Context {
	t.Helper()
	return browser.Start(t, 900, 700)
}

// near reports whether the colour on the screen is that of picture(t, i), up to JPEG's loss.
func near(c [3]uint8, i int) bool {
	return testenv.Near(c, [3]uint8{uint8(i * 40), uint8(255 - i*25), uint8(i * 90)})
}

// An <img> paints each published frame immediately, without waiting for the next one.
func TestChromiumPaintsEachFrameAtOnce(t *testing.T) {
	s, feed := serve(t, func(c *config) { c.Stream.HTML = []byte(`<!doctype html><img id="picture" src="/stream">`) })
	ctx := chromiumContext(t)
	feed.publish(t, picture(t, 1))
	if err := chromedp.Do(ctx, chromedp.Navigate(s.URLs()[0])); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page watches the stream", func() bool { return s.State().Server.Viewers == 1 })
	for _, i := range []int{1, 2, 5, 8, 3} {
		feed.publish(t, picture(t, i))
		eventually(t, fmt.Sprintf("picture %d is seen", i), func() bool { return near(browser.Shown(ctx, t, "#picture"), i) })
	}
	if form := s.State().Server.List[0].Form; form != "browser" {
		t.Errorf("Chromium got the %s form", form)
	}
}

func TestChromiumShowsCustomPage(t *testing.T) {
	stream := server.NewJPEGStreamer(server.StreamerConfig{Host: "127.0.0.1", Port: -1})
	stream.SetHTML(`<!doctype html><h1>My robot</h1><img id="eye" src="/stream">`)
	if err := stream.Start(); err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	if err := stream.WriteBytes(picture(t, 4)); err != nil {
		t.Fatal(err)
	}
	ctx := chromiumContext(t)
	if err := chromedp.Do(ctx, chromedp.Navigate("http://127.0.0.1:"+strconv.Itoa(stream.Port()))); err != nil {
		t.Fatal(err)
	}
	if title, err := chromedp.Run(ctx, chromedp.Text("h1")); err != nil || title != "My robot" {
		t.Errorf("title %q (%v)", title, err)
	}
	eventually(t, "the picture", func() bool { return near(browser.Shown(ctx, t, "#eye"), 4) })
}

// With passwords on, the page works with its token in the address, and not without.
func TestChromiumWithToken(t *testing.T) {
	const token = "0123456789abcdef"
	s, feed := serve(t, func(c *config) { c.TokenFile = write(t, "tokens", token) })
	feed.publish(t, picture(t, 6))
	ctx := chromiumContext(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(s.URLs()[0]+"/?token="+token)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the picture", func() bool { return near(browser.Shown(ctx, t, "#picture"), 6) })
}
