// Package browser starts a headless Chromium for a test.
package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/internal/testenv"
)

// Start starts Chromium with a window of that size and returns the context of one tab, which ends with the test or after some minutes.
// It requests only the test's own pages: the browser's background activity is off.
func Start(t testing.TB, width, height int) context.Context {
	t.Helper()
	path := testenv.Program(t, "chromium", "chromium-browser", "google-chrome")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(width, height),
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 9*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Shown returns the displayed colour in the middle of an element.
func Shown(ctx context.Context, t testing.TB, selector string) [3]uint8 {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.Screenshot(selector))
	if err != nil {
		t.Fatal(err)
	}
	return testenv.Middle(testenv.Decode(t, png))
}
