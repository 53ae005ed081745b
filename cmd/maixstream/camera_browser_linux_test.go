//go:build cgo

package main

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv/browser"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/chromedp/chromedp"
)

// The simulated camera's scene appears in a browser, at both rates and on both paths; the CPU touches no raw byte on the way, and each
// JPEG is copied once.
func TestCameraIsSeenInChromium(t *testing.T) {
	testenv.Long(t, "takes twenty seconds")
	ctx := browser.Start(t, 900, 700)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	eval := func(expression string) string {
		t.Helper()
		asking, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		value, err := chromedp.Run(asking, chromedp.Evaluate[string]("String("+expression+")"))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		return value
	}
	for _, path := range []string{"frame", "bound"} {
		for _, fps := range []string{"30", "60"} {
			t.Run(path+" "+fps, func(t *testing.T) {
				url, root, end := onCamera(t, "--size", "640x480", "--fps", fps, "--path", path)
				if err := chromedp.Do(ctx, chromedp.Navigate(url+"/")); err != nil {
					t.Fatal(err)
				}
				const text = `document.getElementById("short-fps").textContent`
				const drawn = `document.getElementById("picture").toDataURL("image/jpeg").length + document.getElementById("picture").toDataURL("image/jpeg").slice(-4000)`
				for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
					if rate, err := strconv.ParseFloat(firstWord(eval(text)), 64); err == nil && rate > 1 {
						break
					} else if time.Now().After(deadline) {
						t.Fatalf("the page draws nothing: %q, %q", eval(text), eval("document.body.innerText"))
					}
				}
				first := eval(drawn)
				time.Sleep(2500 * time.Millisecond)
				if eval(drawn) == first {
					t.Error("the picture does not change")
				}
				t.Logf("seen at %s, of %s by %s", eval(text), eval(`document.getElementById("source").textContent`), eval(`document.getElementById("encoder").textContent`))
				if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
					t.Fatal(err)
				}
				end()
				frames, copies := counter(t, root, "jpeg.frames"), counter(t, root, "jpeg.maps")
				if touched := counter(t, root, "raw.touched"); touched != 0 || copies > frames || frames == 0 {
					t.Errorf("%d raw bytes touched; %d JPEGs made and %d read", touched, frames, copies)
				}
				if out, err := exec.Command(os.Getenv("MAIXSIM_TOOL"), "report", root).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

func firstWord(text string) string {
	for i := range text {
		if text[i] == ' ' {
			return text[:i]
		}
	}
	return text
}
