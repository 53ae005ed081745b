package photos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/photos"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// photographs is the folder of Debian's package lomiri-wallpapers-16.04.
const photographs = "/usr/share/backgrounds"

func realPhotographs(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(photographs, "*_by_*.jpg"))
	if len(found) < 5 {
		testenv.Missing(t, "a folder of photographs, Debian's lomiri-wallpapers-16.04,", "make setup-test")
	}
	dir := t.TempDir()
	for _, path := range found[:3] {
		if err := os.Symlink(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, folder string, c photos.Config) *photos.Source {
	t.Helper()
	s, err := photos.Open(folder, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t testing.TB, s *photos.Source, f *frame.Frame) {
	t.Helper()
	if err := s.ReadFrame(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// quarters returns a picture of four colours: red, green; blue, white.
func quarters(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}[2*x/w+2*(2*y/h)]
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// write replaces a file in one step: a source that reads it meanwhile never sees half of it.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// corners returns the colours of a frame's corners, row by row.
func corners(f *frame.Frame) string {
	names := ""
	for _, p := range []image.Point{{f.Width / 8, f.Height / 8}, {f.Width * 7 / 8, f.Height / 8}, {f.Width / 8, f.Height * 7 / 8}, {f.Width * 7 / 8, f.Height * 7 / 8}} {
		r, g, b := color.YCbCrToRGB(f.Planes[0][p.Y*f.Strides[0]+p.X], f.Planes[1][p.Y/2*f.Strides[1]+p.X/2], f.Planes[2][p.Y/2*f.Strides[2]+p.X/2])
		name := ""
		for i, v := range []uint8{r, g, b} {
			if v > 128 {
				name += "rgb"[i : i+1]
			}
		}
		names += " " + name
	}
	return names[1:]
}

func TestColoursAndPositions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jpg"), asJPEG(t, quarters(320, 240)))
	for _, size := range []image.Point{{320, 240}, {101, 77}, {64, 200}, {500, 60}} {
		var f frame.Frame
		read(t, open(t, dir, photos.Config{Width: size.X, Height: size.Y}), &f)
		if got := corners(&f); got != "r g b rgb" || f.Check() != nil || f.Width != size.X {
			t.Errorf("%v: corners %s", size, got)
		}
	}
}

func TestColoursAndPositionsInLargePhotographs(t *testing.T) {
	for _, large := range []image.Point{{1999, 1501}, {701, 1100}} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.jpg"), asJPEG(t, quarters(large.X, large.Y)))
		var f frame.Frame
		read(t, open(t, dir, photos.Config{Width: 101, Height: 77}), &f)
		if got := corners(&f); got != "r g b rgb" {
			t.Errorf("%v: corners %s", large, got)
		}
	}
}

func TestPNGIsShown(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := png.Encode(&out, quarters(50, 50)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.PNG"), out.Bytes())
	var f frame.Frame
	read(t, open(t, dir, photos.Config{}), &f)
	if got := corners(&f); got != "r g b rgb" || f.Width != 640 || f.Height != 480 {
		t.Errorf("%dx%d, corners %s", f.Width, f.Height, got)
	}
}

// exif inserts an orientation into a JPEG.
func exif(data []byte, orientation byte, bigEndian bool) []byte {
	tiff := []byte{'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0, 0x0f, 1, 2, 0, 1, 0, 0, 0, 'x', 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0}
	if bigEndian {
		tiff = []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0}
	}
	n := len(tiff) + 8
	return bytes.Join([][]byte{data[:2], {0xff, 0xe1, byte(n >> 8), byte(n)}, []byte("Exif\x00\x00"), tiff, data[2:]}, nil)
}

func TestPhotographsAreShownUpright(t *testing.T) {
	data := asJPEG(t, quarters(160, 120))
	for orientation, want := range []string{
		"r g b rgb", "r g b rgb", "g r rgb b", "rgb b g r", "b rgb r g", "r b g rgb", "b r rgb g", "rgb g b r", "g rgb r b", "r g b rgb",
	} {
		for _, bigEndian := range []bool{false, true} {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.jpg"), exif(data, byte(orientation), bigEndian))
			var f frame.Frame
			read(t, open(t, dir, photos.Config{Width: 96, Height: 64}), &f)
			if got := corners(&f); got != want {
				t.Errorf("orientation %d: corners %s, want %s", orientation, got, want)
			}
		}
	}
}

func TestBrokenPhotographsAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	good := asJPEG(t, quarters(64, 48))
	write(t, filepath.Join(dir, "a.jpg"), good[:len(good)/2])
	write(t, filepath.Join(dir, "b.jpg"), good)
	write(t, filepath.Join(dir, "c.png"), []byte("none"))
	write(t, filepath.Join(dir, "d.jpg"), asJPEG(t, image.NewGray(image.Rect(0, 0, 20, 20))))
	// 60000 x 60000 pixels, according to its header.
	huge := append([]byte(nil), good...)
	sof := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[sof+5:], []byte{0xea, 0x60, 0xea, 0x60})
	write(t, filepath.Join(dir, "e.jpg"), huge)
	var mu sync.Mutex
	var warnings []string
	s := open(t, dir, photos.Config{Width: 32, Height: 24, FPS: math.Inf(1), Dwell: time.Millisecond, Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, err.Error())
	}})
	for start := time.Now(); s.Skipped() < 3 && time.Since(start) < 30*time.Second; {
		var f frame.Frame
		read(t, s, &f)
		f.Release()
	}
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(warnings, "\n"); len(warnings) != 3 || !strings.Contains(all, "a.jpg") || !strings.Contains(all, "c.png") || !strings.Contains(all, "e.jpg") {
		t.Errorf("%d skipped: %s", s.Skipped(), all)
	}
}

func TestAllPhotographsAreShownWithoutACache(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		img := image.NewGray(image.Rect(0, 0, 40, 40))
		for p := range img.Pix {
			img.Pix[p] = byte(20 + 50*i)
		}
		write(t, filepath.Join(dir, fmt.Sprint(i, ".jpg")), asJPEG(t, img))
	}
	s := open(t, dir, photos.Config{Width: 32, Height: 24, FPS: 1000, Dwell: 5 * time.Millisecond, CacheBytes: 1})
	seen := map[byte]bool{}
	for start := time.Now(); len(seen) < 5 && time.Since(start) < 30*time.Second; {
		var f frame.Frame
		read(t, s, &f)
		seen[f.Planes[0][0]] = true
		f.Release()
	}
	if len(seen) != 5 {
		t.Errorf("seen %d of 5 photographs", len(seen))
	}
}

func TestResizeTakesEffectSoon(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jpg"), asJPEG(t, quarters(64, 48)))
	s := open(t, dir, photos.Config{Width: 32, Height: 24, FPS: 1000})
	var f frame.Frame
	read(t, s, &f)
	for _, size := range []image.Point{{64, 48}, {1, 1}, {101, 55}} {
		if err := s.Resize(size.X, size.Y); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); f.Width != size.X || f.Height != size.Y; {
			if time.Since(start) > 30*time.Second {
				t.Fatalf("still %dx%d", f.Width, f.Height)
			}
			f.Release()
			read(t, s, &f)
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Resize(-1, 0); !errors.Is(err, frame.ErrSize) {
		t.Error(err)
	}
	f.Release()
}

func TestRealPhotographs(t *testing.T) {
	s := open(t, realPhotographs(t), photos.Config{Width: 640, Height: 480, FPS: 1000, Dwell: 10 * time.Millisecond, Warn: func(err error) { t.Error(err) }})
	sums := map[uint32]bool{}
	frames := 0
	for start := time.Now(); frames < 60 || time.Since(start) < time.Second; frames++ {
		var f frame.Frame
		read(t, s, &f)
		var sum uint32
		least, most := byte(255), byte(0)
		for y := range f.Height {
			row := f.Planes[0][y*f.Strides[0]:][:f.Width]
			sum = crc32.Update(sum, crc32.IEEETable, row)
			for _, v := range row {
				least, most = min(least, v), max(most, v)
			}
		}
		if sums[sum] && len(sums) < 20 {
			t.Errorf("frame %d was seen before", frames)
		}
		sums[sum] = true
		if most-least < 60 {
			t.Errorf("frame %d has luma %d to %d: no photograph", frames, least, most)
		}
		f.Release()
	}
}

func BenchmarkPan(b *testing.B) {
	dir := b.TempDir()
	write(b, filepath.Join(dir, "a.jpg"), asJPEG(b, quarters(64, 48)))
	s := open(b, dir, photos.Config{Width: 1280, Height: 720, FPS: math.Inf(1)})
	b.ReportAllocs()
	var f frame.Frame
	for b.Loop() {
		read(b, s, &f)
		f.Release()
	}
}

func BenchmarkOpenPhotograph(b *testing.B) {
	dir := realPhotographs(b)
	for b.Loop() {
		open(b, dir, photos.Config{Width: 1280, Height: 720}).Close()
	}
}

func FuzzExif(f *testing.F) {
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, quarters(8, 8), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(exif(plain.Bytes(), 6, false)[2:48])
	f.Add(exif(plain.Bytes(), 8, true)[2:40])
	f.Fuzz(func(t *testing.T, segments []byte) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.jpg"), bytes.Join([][]byte{plain.Bytes()[:2], segments, plain.Bytes()[2:]}, nil))
		s, err := photos.Open(dir, photos.Config{Width: 16, Height: 16})
		if err == nil {
			s.Close()
		}
	})
}
