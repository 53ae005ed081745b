//go:build screenshots

package stream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/whep"
)

// TestScreenshots takes screenshots of the page into the folder MAIXSTREAM_SCREENSHOTS (make screenshots).
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("MAIXSTREAM_SCREENSHOTS")
	if folder == "" {
		t.Fatal("MAIXSTREAM_SCREENSHOTS is not set (make screenshots)")
	}
	b := startChromium(t)
	s, pulled := showEverything(t)
	b.viewport(t, 1280, 800)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	for _, enough := range []string{"12", "24", "36"} { // seconds, to fill the graph
		wait(t, b, "measurements", `document.querySelector("#graph .line").getAttribute("d")?.split("L").length > `+enough)
	}
	for _, shot := range []struct {
		name          string
		width, height int
		scale         float64
		dark, pulled  bool
	}{
		{"page.png", 1280, 800, 1, false, false},
		{"page-dark.png", 1280, 800, 1, true, false},
		{"page-phone.png", 390, 844, 2, false, false},
		{"page-no-signal.png", 1280, 800, 1, true, true},
	} {
		b.dark(t, shot.dark)
		b.sharp(t, shot.width, shot.height, shot.scale)
		pulled.Store(shot.pulled)
		eventually(t, "the notice", func() bool { return strings.HasPrefix(text(t, b, "notice"), "No signal.") == shot.pulled })
		wait(t, b, "measurements", `(document.getElementById("delay").innerText === "–") === `+strconv.FormatBool(shot.pulled))
		// Resizing the window delays the browser, which shows in its measurements for a while.
		b.eval(t, `new Promise((done) => setTimeout(done, 3000))`)
		_, png := b.screenshot(t)
		if err := os.WriteFile(filepath.Join(folder, shot.name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// showEverything serves a camera with everything that the page has controls for. It can be unplugged.
func showEverything(t *testing.T) (s *testServer, pulled *atomic.Bool) {
	t.Helper()
	pulled = &atomic.Bool{}
	name := photographs(t)
	media, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = media.Close() })
	s, _ = showVideo(t, func(c *config) { c.Stream.Keep, c.Stream.WebRTC = &keptSettings{}, media }, func(c *pipeline.Config) {
		c.Settings = pipeline.Settings{Quality: 80, FPS: 20, Width: 1280, Height: 720}
		c.NewTransform, c.NoSignal = hw.NewTransform, hw.NoSignal
		c.Open = func(_ context.Context, now pipeline.Settings) (frame.Source, error) {
			if pulled.Load() {
				return nil, fmt.Errorf("camera unplugged: %w", frame.ErrGone)
			}
			source, err := hw.OpenSource(hw.SourceConfig{Name: name, Width: now.Width, Height: now.Height, FPS: now.FPS})
			if err != nil {
				return nil, err
			}
			return unpluggable{source, source.(frame.RawSource), pulled}, nil
		}
	})
	return s, pulled
}

// keptSettings remembers only that settings are kept.
type keptSettings struct{ on atomic.Bool }

func (k *keptSettings) Kept() bool { return k.on.Load() }

func (k *keptSettings) Keep(_ pipeline.Settings, on bool) error {
	k.on.Store(on)
	return nil
}

// photographs returns a folder with the most suitable photograph.
func photographs(t *testing.T) string {
	t.Helper()
	const name = "/usr/share/backgrounds/Dragonfly_by_Bolly.jpg" // from lomiri-wallpapers-16.04
	if _, err := os.Stat(name); err != nil {
		t.Fatalf("%v (Debian package lomiri-wallpapers-16.04)", err)
	}
	folder := filepath.Join(t.TempDir(), "photographs")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(folder, "dragonfly.jpg")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// sharp sets n screen pixels per CSS pixel, as on today's screens.
func (c *chromium) sharp(t *testing.T, width, height int, n float64) {
	t.Helper()
	c.do(t, chromedp.EmulateViewport(int64(width), int64(height), chromedp.EmulateScale(n)))
}
