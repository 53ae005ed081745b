//go:build cgo

package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/casetest"
)

// colours names the colours of a picture's corners, row by row.
func colours(img image.Image) string {
	b, names := img.Bounds(), ""
	for _, p := range []image.Point{{b.Dx() / 8, b.Dy() / 8}, {b.Dx() * 7 / 8, b.Dy() / 8}, {b.Dx() / 8, b.Dy() * 7 / 8}, {b.Dx() * 7 / 8, b.Dy() * 7 / 8}} {
		r, g, bl, _ := img.At(p.X, p.Y).RGBA()
		name := ""
		for i, v := range []uint32{r, g, bl} {
			if v > 0x8000 {
				name += "rgb"[i : i+1]
			}
		}
		names += " " + name
	}
	return names[1:]
}

func TestOddPicturesAreOpenedUpright(t *testing.T) {
	for _, c := range casetest.Shown(t) {
		path := filepath.Join(t.TempDir(), "a.jpg")
		if err := os.WriteFile(path, c.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := picture.Open(path, picture.Limits{})
		if c.Huge {
			if err == nil || !strings.Contains(err.Error(), "8192") {
				t.Errorf("%s: %v; want the limit", c.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		want := "r g b rgb"
		if strings.HasPrefix(c.Name, "orientation") {
			want = "b r rgb g"
		}
		if got := colours(img); got != want {
			t.Errorf("%s: %s, want %s", c.Name, got, want)
		}
	}
}

// What is transparent is never its hidden colour, whatever kind of PNG it was.
func TestJPEGOfATransparentPictureLiesOverWhite(t *testing.T) {
	hidden := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	palette := image.NewPaletted(hidden.Rect, color.Palette{color.NRGBA{255, 0, 0, 0}})
	for i := 0; i < len(hidden.Pix); i += 4 {
		hidden.Pix[i] = 255
	}
	for name, data := range map[string][]byte{"alpha.png": casetest.Read(t, "alpha.png"), "alpha": pngOf(t, hidden), "palette": pngOf(t, palette)} {
		img, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		for want, from := range map[string]*picture.Image{"rgb": img, "g": img.Flatten(color.NRGBA{0, 255, 0, 255})} {
			jpg, err := from.JPEG(90)
			if err != nil {
				t.Fatal(name, err)
			}
			shown, err := jpeg.Decode(bytes.NewReader(jpg.Borrow()))
			if err != nil {
				t.Fatal(name, err)
			}
			if got := colours(shown); !strings.HasPrefix(got, want+" ") {
				t.Errorf("%s: %s, want %s at the left", name, got, want)
			}
			jpg.Release()
		}
	}
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Decode's documentation says how much memory it takes.
func TestMemoryOfDecoding(t *testing.T) {
	const w, h = 1600, 1200
	rgba := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range rgba.Pix {
		rgba.Pix[i] = byte(i * i >> 9)
	}
	opaque := image.NewRGBA(rgba.Rect)
	for i := range opaque.Pix {
		opaque.Pix[i] = byte(i>>11) | 255*byte(i%4/3)
	}
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, opaque, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data   []byte
		most   float64 // bytes a pixel
		format frame.Format
	}{
		"JPEG":                  {jpg.Bytes(), 3.3, frame.RGB},
		"PNG":                   {pngOf(t, opaque), 4.3, frame.RGB},
		"PNG with transparency": {pngOf(t, rgba), 4.3, frame.RGBA},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, err := picture.Decode(c.data, picture.Limits{})
		runtime.ReadMemStats(&after)
		if err != nil || img.Format() != c.format {
			t.Fatal(name, err)
		}
		used := float64(after.TotalAlloc-before.TotalAlloc) / (w * h)
		t.Logf("%s: %.2f bytes a pixel", name, used)
		if used > c.most {
			t.Errorf("%s: %.2f bytes a pixel, at most %.1f", name, used, c.most)
		}
	}
}

func TestNilPicturesReturnErrors(t *testing.T) {
	var img *picture.Image
	if _, err := img.JPEG(80); err == nil || img.Err() == nil {
		t.Error("JPEG of a nil picture")
	}
	if _, err := img.PNG(); err == nil {
		t.Error("PNG of a nil picture")
	}
}
