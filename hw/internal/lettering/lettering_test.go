package lettering_test

import (
	"bytes"
	"image"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/internal/lettering"
)

func pen(t testing.TB, size int) *lettering.Pen {
	t.Helper()
	p, err := lettering.NewPen(size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ink(mask *image.Alpha) (n int) {
	for _, a := range mask.Pix {
		n += int(a)
	}
	return n
}

func TestTextFitsTheMeasuredSize(t *testing.T) {
	for _, size := range []int{8, 14, 40, 200} {
		p := pen(t, size)
		w, h := p.Size("Ag|\nWide line")
		if p.Line() != size || h != 2*size || w < 2*size {
			t.Fatalf("size %d: %dx%d", size, w, h)
		}
		tight, roomy := image.NewAlpha(image.Rect(0, 0, w, h)), image.NewAlpha(image.Rect(-size, -size, w+size, h+size))
		p.Draw(tight, 0, 0, "Ag|\nWide line")
		p.Draw(roomy, 0, 0, "Ag|\nWide line")
		if got, all := ink(tight), ink(roomy); got == 0 || float64(got) < 0.97*float64(all) {
			t.Errorf("size %d: %d of the ink %d lies within the measured size", size, got, all)
		}
	}
}

func TestTextOutsideTheMaskIsClipped(t *testing.T) {
	p := pen(t, 20)
	whole, part := image.NewAlpha(image.Rect(0, 0, 100, 40)), image.NewAlpha(image.Rect(10, 5, 60, 15))
	p.Draw(whole, -5, -3, "clipped\ntext")
	p.Draw(part, -5, -3, "clipped\ntext")
	for y := 5; y < 15; y++ {
		if !bytes.Equal(part.Pix[part.PixOffset(10, y):][:50], whole.Pix[whole.PixOffset(10, y):][:50]) {
			t.Fatalf("row %d differs", y)
		}
	}
	for _, at := range []image.Point{{1000, 0}, {0, 1000}, {-10000, -10000}} {
		mask := image.NewAlpha(image.Rect(0, 0, 50, 50))
		p.Draw(mask, at.X, at.Y, "x")
		if ink(mask) != 0 {
			t.Errorf("text at %v is visible", at)
		}
	}
}

func TestSizesAreClamped(t *testing.T) {
	if got := pen(t, -5).Line(); got != lettering.MinSize {
		t.Errorf("%d", got)
	}
	if got := pen(t, 1<<40).Line(); got != lettering.MaxSize {
		t.Errorf("%d", got)
	}
}

func TestRedrawingDoesNotAllocate(t *testing.T) {
	p := pen(t, 20)
	mask := image.NewAlpha(image.Rect(0, 0, 200, 40))
	if n := testing.AllocsPerRun(20, func() { p.Draw(mask, 0, 0, "12:34:56.789") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// All characters, in a single text: the glyph cache stays bounded, and glyphs are still correct after it restarts.
func TestManyCharacters(t *testing.T) {
	p := pen(t, 10)
	first, again := image.NewAlpha(image.Rect(0, 0, 50, 12)), image.NewAlpha(image.Rect(0, 0, 50, 12))
	p.Draw(first, 0, 0, "Abc")
	var all strings.Builder
	for r := rune(0); r < 3000; r++ {
		all.WriteRune(r)
	}
	p.Draw(image.NewAlpha(image.Rect(0, 0, 40000, 12)), 0, 0, all.String())
	p.Draw(again, 0, 0, "Abc")
	if !bytes.Equal(first.Pix, again.Pix) {
		t.Error("the same text is drawn differently")
	}
}
