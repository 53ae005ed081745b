//go:build unix

package photos_test

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/photos"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/testenv"
)

// plain returns a photograph of a single grey.
func plain(t *testing.T, v uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = v
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return asJPEG(t, img)
}

// shows waits until exactly the given greys are shown.
func shows(t *testing.T, s *photos.Source, want ...int) {
	t.Helper()
	var seen map[int]bool
	for start := time.Now(); time.Since(start) < 30*time.Second; {
		seen = map[int]bool{}
		for round := time.Now(); time.Since(round) < 200*time.Millisecond; {
			var f frame.Frame
			read(t, s, &f)
			seen[(int(f.Planes[0][5])+5)/10*10] = true
			f.Release()
		}
		same := len(seen) == len(want)
		for _, v := range want {
			same = same && seen[v]
		}
		if same {
			return
		}
	}
	t.Fatalf("shown: %v, want %v", seen, want)
}

func TestFolderChangesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o700); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("b.jpg"), plain(t, 100))
	write(t, filepath.Join(below, "x.jpg"), plain(t, 200))
	if err := syscall.Mkfifo(at("a.jpg"), 0o600); err != nil { // opening it would block until somebody writes
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", at("d.png")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var warnings []string
	warned := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(warnings, "\n")
	}
	config := photos.Config{Width: 32, Height: 24, FPS: 1000, Dwell: 10 * time.Millisecond, Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, err.Error())
	}}
	s := open(t, dir, config)
	shows(t, s, 100)
	write(t, at("c.jpg"), plain(t, 150))
	shows(t, s, 100, 150)
	if err := os.Remove(at("b.jpg")); err != nil {
		t.Fatal(err)
	}
	shows(t, s, 150)
	write(t, at("e.jpg"), plain(t, 250)) // first: without one that can be shown the source would end
	write(t, at("c.jpg"), plain(t, 50)[:300])
	shows(t, s, 250)
	if w := warned(); !strings.Contains(w, "c.jpg: ") || !strings.Contains(w, "cut off") || strings.Count(w, "\n") > 0 {
		t.Errorf("warnings %q", w)
	}
	write(t, at("c.jpg"), append(plain(t, 60), 0)) // repaired: different size
	shows(t, s, 60, 250)

	config.Recursive = true
	shows(t, open(t, dir, config), 60, 250, 200)
}

func TestOddPhotographsAreShown(t *testing.T) {
	if !withLibjpeg {
		testenv.Unable(t, "image/jpeg knows fewer samplings and does not scale")
	}
	for _, c := range casetest.Shown(t) {
		if c.Huge {
			continue // more than the file has
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.jpg"), c.Data)
		s := open(t, dir, photos.Config{Width: 160, Height: 120, FPS: math.Inf(1)})
		var f frame.Frame
		read(t, s, &f)
		want := "r g b rgb"
		if strings.HasPrefix(c.Name, "orientation") { // rotated clockwise
			want = "b r rgb g"
		}
		if got := corners(&f); got != want {
			t.Errorf("%s: corners %s, want %s", c.Name, got, want)
		}
		f.Release()
	}
}

func TestTransparencyShowsTheBackground(t *testing.T) {
	for want, background := range map[string]color.Color{"rgb": nil, "g": color.NRGBA{0, 255, 0, 255}} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.png"), casetest.Read(t, "alpha.png"))
		s := open(t, dir, photos.Config{Width: 160, Height: 120, FPS: math.Inf(1), Background: background})
		var f frame.Frame
		read(t, s, &f)
		if got := corners(&f); !strings.HasPrefix(got, want+" ") {
			t.Errorf("over %v: corners %s", background, got)
		}
		f.Release()
	}
}

func TestLargePhotographsAreDecodedSmall(t *testing.T) {
	if !withLibjpeg {
		testenv.Unable(t, "image/jpeg knows fewer samplings and does not scale")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jpg"), asJPEG(t, quarters(4000, 3000)))
	config := photos.Config{Width: 320, Height: 240, FPS: math.Inf(1)}
	open(t, dir, config) // allocates what is created only once
	before := allocated()
	s := open(t, dir, config)
	used := allocated() - before
	t.Logf("%.2f bytes per pixel of a 4000x3000 photograph for 320x240", float64(used)/12e6)
	if used > 12e6 { // the whole picture's planes take 18 MB
		t.Errorf("%d bytes were allocated", used)
	}
	var f frame.Frame
	read(t, s, &f)
	if got := corners(&f); got != "r g b rgb" {
		t.Error(got)
	}
	f.Release()
}

// allocated returns the total number of bytes allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
