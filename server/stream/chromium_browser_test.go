package stream_test

import (
	"bytes"
	"context"
	"image"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium is a tab in a headless Chromium.
type chromium struct {
	ctx    context.Context
	folder string
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	c := &chromium{ctx: chromiumContext(t), folder: t.TempDir()}
	if err := chromedp.Do(c.ctx, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	allow := browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: c.folder}
	c.do(t, call(browser.SetDownloadBehavior, allow))
	return c
}

// call wraps a protocol command in an action.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (c *chromium) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func (c *chromium) open(t *testing.T, url string) {
	t.Helper()
	c.do(t, chromedp.Navigate(url))
}

func (c *chromium) eval(t *testing.T, expression string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](stringOf(expression), chromedp.EvalAwaitPromise))
	if err != nil && gone(err.Error()) {
		return ""
	}
	if err != nil {
		t.Fatalf("%.200s: %v", expression, err)
	}
	return value
}

func (c *chromium) screenshot(t *testing.T) (image.Image, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Minute)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		t.Fatal(err)
	}
	return img, png
}

func (c *chromium) press(t *testing.T, keys ...string) {
	t.Helper()
	codes := map[string]string{
		"Escape": kb.Escape, "Tab": kb.Tab, "Enter": kb.Enter, "Home": kb.Home, "End": kb.End, "ArrowLeft": kb.ArrowLeft, "ArrowUp": kb.ArrowUp, "ArrowRight": kb.ArrowRight, "ArrowDown": kb.ArrowDown,
	}
	for _, key := range keys {
		if code, ok := codes[key]; ok {
			key = code
		}
		c.do(t, chromedp.KeyEvent(key))
	}
}

func (c *chromium) viewport(t *testing.T, width, height int) {
	t.Helper()
	c.do(t, chromedp.EmulateViewport(int64(width), int64(height)))
}

func (c *chromium) dark(t *testing.T, on bool) {
	t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[on]
	c.do(t, call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
}

// hide minimises the window.
func (c *chromium) hide(t *testing.T) (show func()) {
	t.Helper()
	bounds := func(state browser.WindowState) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			w, err := cdp.Call(ctx, t, browser.GetWindowForTarget, browser.GetWindowForTargetParams{})
			if err != nil {
				return err
			}
			_, err = cdp.Call(ctx, t, browser.SetWindowBounds, browser.SetWindowBoundsParams{WindowID: w.WindowID, Bounds: &browser.Bounds{WindowState: state}})
			return err
		})
	}
	c.do(t, bounds(browser.WindowStateMinimized))
	return func() { c.do(t, bounds(browser.WindowStateNormal)) }
}

func (c *chromium) downloads() string { return c.folder }

var _ tab = (*chromium)(nil)
