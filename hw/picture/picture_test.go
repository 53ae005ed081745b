package picture_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/encodertest"
)

var formats = []frame.Format{frame.YUV420, frame.NV21, frame.NV12, frame.YUV422, frame.YUYV, frame.Grey, frame.RGB, frame.BGR, frame.RGBA}

// black is what the standard library's program begins with.
func black(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Rect, image.Black, image.Point{}, draw.Src)
	return img
}

// equal compares all pixels exactly.
func equal(t *testing.T, name string, got *picture.Image, want image.Image) {
	t.Helper()
	if got.Err() != nil || got.Bounds() != want.Bounds() {
		t.Fatalf("%s: %v, %v; want %v", name, got.Bounds(), got.Err(), want.Bounds())
	}
	for y := range got.Height() {
		for x := range got.Width() {
			r, g, b, a := got.At(x, y).RGBA()
			wr, wg, wb, wa := want.At(x, y).RGBA()
			if r != wr || g != wg || b != wb || a != wa {
				t.Fatalf("%s: pixel %d,%d is %v, want %v", name, x, y, got.At(x, y), want.At(x, y))
			}
		}
	}
}

func outline(dst *image.RGBA, r image.Rectangle, n int, c color.Color) {
	for _, part := range []image.Rectangle{
		image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+n), image.Rect(r.Min.X, r.Max.Y-n, r.Max.X, r.Max.Y),
		image.Rect(r.Min.X, r.Min.Y+n, r.Min.X+n, r.Max.Y-n), image.Rect(r.Max.X-n, r.Min.Y+n, r.Max.X, r.Max.Y-n),
	} {
		draw.Draw(dst, part, image.NewUniform(c), image.Point{}, draw.Over)
	}
}

// The mission's program: 640x480 RGB, a red rectangle of 80x80 at 60,60.
func TestTheMissionsPictureIsImageDraws(t *testing.T) {
	img := picture.New(640, 480, picture.RGB)
	img.DrawRect(60, 60, 80, 80, picture.Red, 1)
	want := black(640, 480)
	outline(want, image.Rect(60, 60, 140, 140), 1, picture.Red)
	equal(t, "drawn", img, want)
	raw := img.Frame()
	for y := range 480 {
		for x := range 640 {
			if !bytes.Equal(raw.Planes[0][y*raw.Strides[0]+3*x:][:3], want.Pix[want.PixOffset(x, y):][:3]) {
				t.Fatalf("raw pixel %d,%d", x, y)
			}
		}
	}

	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	defer jpg.Release()
	got, err := jpeg.Decode(bytes.NewReader(jpg.Borrow()))
	if err != nil {
		t.Fatal(err)
	}
	if db := encodertest.PSNR(want, got); db < 30 {
		t.Errorf("JPEG: %.1f dB", db)
	}
	png, err := img.PNG()
	if err != nil {
		t.Fatal(err)
	}
	back, err := picture.Decode(png.Borrow(), picture.Limits{})
	if err != nil || png.ContentType() != "image/png" || jpg.ContentType() != "image/jpeg" {
		t.Fatal(err, png.ContentType(), jpg.ContentType())
	}
	equal(t, "PNG", back, want)
}

func TestTranslucentFillsAreImageDraws(t *testing.T) {
	for _, format := range []frame.Format{frame.RGB, frame.BGR, frame.RGBA} {
		img := picture.New(60, 40, format)
		want := black(60, 40)
		for i, c := range []color.Color{color.NRGBA{200, 30, 90, 255}, color.NRGBA{10, 250, 30, 100}, color.RGBA{40, 40, 90, 128}, color.NRGBA{255, 255, 255, 1}, color.Transparent} {
			img.DrawRect(3*i, 2*i, 30, 25, c, -1)
			draw.Draw(want, image.Rect(3*i, 2*i, 3*i+30, 2*i+25), image.NewUniform(c), image.Point{}, draw.Over)
		}
		// Thickness 4: two outside of the rectangle, two inside.
		img.DrawRect(20, 10, 20, 20, picture.Blue, 4)
		outline(want, image.Rect(18, 8, 42, 32), 4, picture.Blue)
		equal(t, format.String(), img, want)
	}
}

// Pixels that share their chroma must not have it laid over them once each: a veil would take all colour from a camera's picture.
func TestTranslucentDrawingOnSharedChroma(t *testing.T) {
	below, veil := color.NRGBA{220, 40, 40, 255}, color.NRGBA{0, 60, 0, 128}
	glass := image.NewNRGBA(image.Rect(0, 0, 30, 20))
	draw.Draw(glass, glass.Rect, image.NewUniform(veil), image.Point{}, draw.Src)
	for _, format := range formats[:5] {
		for name, lay := range map[string]func(*picture.Image){
			"fill":           func(img *picture.Image) { img.DrawRect(5, 3, 30, 20, veil, -1) },
			"outline":        func(img *picture.Image) { img.DrawRect(9, 7, 22, 12, veil, 8) },
			"picture":        func(img *picture.Image) { img.DrawPicture(5, 3, glass) },
			"its own format": func(img *picture.Image) { p, _ := picture.FromImage(glass); img.DrawPicture(5, 3, p) },
		} {
			img, want := picture.New(61, 41, format), black(61, 41)
			img.Fill(below)
			draw.Draw(want, want.Rect, image.NewUniform(below), image.Point{}, draw.Src)
			lay(img)
			draw.Draw(want, image.Rect(5, 3, 35, 23), image.NewUniform(veil), image.Point{}, draw.Over)
			for _, at := range []image.Point{{7, 4}, {8, 5}, {6, 20}, {33, 21}, {45, 30}, {60, 40}} {
				r, g, b, _ := img.At(at.X, at.Y).RGBA()
				wr, wg, wb, _ := want.At(at.X, at.Y).RGBA()
				for n, d := range []int{int(r) - int(wr), int(g) - int(wg), int(b) - int(wb)} {
					if max(d, -d) > 5<<8 {
						t.Errorf("%s, %s: pixel %v is %v, want %v (%d)", format, name, at, img.At(at.X, at.Y), want.At(at.X, at.Y), n)
						break
					}
				}
			}
		}
	}
}

func TestDrawPictureIsImageDraws(t *testing.T) {
	stamp := image.NewNRGBA(image.Rect(5, 5, 25, 20))
	for i := range stamp.Pix {
		stamp.Pix[i] = uint8(i * 7)
	}
	scene := encodertest.Scene(64, 48)
	for _, at := range []image.Point{{0, 0}, {-7, -3}, {50, 40}, {100, 100}, {-100, 0}} {
		img, err := picture.FromImage(scene)
		if err != nil {
			t.Fatal(err)
		}
		img.DrawPicture(at.X, at.Y, stamp)
		want := image.NewRGBA(scene.Rect)
		draw.Draw(want, want.Rect, scene, image.Point{}, draw.Src)
		draw.Draw(want, stamp.Rect.Sub(stamp.Rect.Min).Add(at), stamp, stamp.Rect.Min, draw.Over)
		equal(t, at.String(), img, want)
	}
}

func TestLinesAndCircles(t *testing.T) {
	img := picture.New(41, 41, picture.RGB)
	on := func(x, y int) bool { return img.At(x, y) == picture.Red }
	img.DrawLine(5, 5, 35, 20, picture.Red, 1)
	n := 0
	for x := range 41 {
		for y := range 41 {
			if on(x, y) {
				n++
				if d := math.Abs(float64(y) - 5 - float64(x-5)/2); d > 0.5 || x < 5 || x > 35 {
					t.Errorf("%d,%d is not on the line", x, y)
				}
			}
		}
	}
	if n != 31 || !on(5, 5) || !on(35, 20) {
		t.Errorf("%d pixels", n)
	}
	img = picture.New(41, 41, picture.RGB)
	img.DrawLine(20, 30, 20, 10, picture.Red, 5)
	for _, p := range []image.Point{{20, 30}, {20, 10}, {22, 20}, {18, 20}, {20, 32}} {
		if !on(p.X, p.Y) {
			t.Errorf("thick line: %v is not on it", p)
		}
	}
	if on(23, 20) || on(17, 20) || on(20, 33) {
		t.Error("thick line: too thick")
	}
	for _, thickness := range []int{1, 3, -1} {
		img = picture.New(41, 41, picture.RGB)
		img.DrawCircle(20, 20, 12, picture.Red, thickness)
		for y := range 41 {
			for x := range 41 {
				d := math.Hypot(float64(x-20), float64(y-20))
				var must, may bool
				if thickness < 0 {
					must, may = d <= 12, d <= 12.5
				} else {
					half := float64(thickness) / 2
					must, may = math.Abs(d-12) < half-0.01, math.Abs(d-12) <= half+0.01
				}
				if on(x, y) && !may || !on(x, y) && must {
					t.Fatalf("circle of thickness %d: %d,%d at distance %.2f is %v", thickness, x, y, d, on(x, y))
				}
			}
		}
	}
}

func TestTextIsReadableAndCutOff(t *testing.T) {
	for _, format := range formats {
		img := picture.New(200, 60, format)
		img.DrawText(10, 10, "Hello", picture.White, 30)
		w, h := picture.TextSize("Hello", 30)
		if w < 40 || w > 120 || h != 30 {
			t.Fatalf("size %dx%d", w, h)
		}
		inside, outside := 0, 0
		for y := range 60 {
			for x := range 200 {
				if r, _, _, _ := img.At(x, y).RGBA(); r > 0xc000 {
					if image.Pt(x, y).In(image.Rect(9, 9, 12+w, 42)) {
						inside++
					} else {
						outside++
					}
				}
			}
		}
		if inside < 100 || outside > 0 {
			t.Errorf("%s: %d light pixels inside, %d outside", format, inside, outside)
		}
		for _, at := range []image.Point{{-30, -10}, {190, 55}, {1 << 62, 0}, {math.MinInt, math.MinInt}} {
			img.DrawText(at.X, at.Y, "cut\noff", picture.Red, 1<<40)
		}
	}
}

// Whatever is asked for, nothing panics and nothing is written beside the picture.
func TestWildArgumentsDoNotPanic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	num := func() int {
		special := []int{0, 1, -1, 2, 31, 32, 33, 100, -100, 1 << 20, -1 << 20, math.MaxInt, math.MinInt, math.MaxInt32}
		if rng.IntN(3) > 0 {
			return rng.IntN(80) - 20
		}
		return special[rng.IntN(len(special))]
	}
	for _, format := range formats {
		for range 150 {
			img := picture.New(1+rng.IntN(40), 1+rng.IntN(40), format)
			c := color.NRGBA{uint8(num()), uint8(num()), uint8(num()), uint8(num())}
			img.DrawRect(num(), num(), num(), num(), c, num())
			img.DrawLine(num(), num(), num(), num(), c, num())
			img.DrawCircle(num(), num(), num(), c, num())
			img.DrawText(num(), num(), "é日\x00\xff\n%", c, num())
			img.DrawPicture(num(), num(), img)
			img.Set(num(), num(), c)
			_ = img.At(num(), num())
			for _, made := range []*picture.Image{img.Crop(num(), num(), num(), num()), img.Rotate(num()), img.Mirror(), img.Flip()} {
				if (made.Err() == nil) != (made.Width() > 0) {
					t.Fatalf("%dx%d with error %v", made.Width(), made.Height(), made.Err())
				}
			}
			if w, h := num(), num(); w < 200 && h < 200 {
				_ = img.Resize(w, h)
			}
		}
	}
	img := picture.New(8, 8, picture.RGB)
	img.DrawRect(0, 0, 8, 8, nil, -1)
	img.DrawPicture(0, 0, nil)
}

func TestAPictureThatCannotBeMadeSaysWhy(t *testing.T) {
	for _, img := range []*picture.Image{
		picture.New(0, 5, picture.RGB), picture.New(5, -1, picture.RGB), picture.New(1<<40, 1<<40, picture.RGB), picture.New(5, 5, 0), picture.New(5, 5, 99),
		picture.FromFrame(nil, nil), picture.New(5, 5, picture.RGB).Rotate(45), picture.New(5, 5, picture.RGB).Crop(9, 9, 2, 2), picture.New(5, 5, picture.NV21).Resize(0, 1),
	} {
		if img.Err() == nil || img.Width() != 0 || img.Format() != frame.Unknown {
			t.Errorf("%dx%d without an error", img.Width(), img.Height())
		}
		img.DrawRect(0, 0, 9, 9, picture.Red, 1)
		img.DrawText(0, 0, "x", picture.Red, 12)
		img.Resize(3, 3).Flip().Release()
		if _, err := img.JPEG(80); err == nil || !errors.Is(err, img.Err()) {
			t.Errorf("JPEG: %v", err)
		}
		if _, err := img.PNG(); err == nil {
			t.Error("PNG of nothing")
		}
	}
	var refused *frame.QualityError
	if _, err := picture.New(5, 5, picture.RGB).JPEG(101); !errors.As(err, &refused) {
		t.Errorf("quality 101: %v", err)
	}
}

func TestShapesOfEveryFormat(t *testing.T) {
	scene := encodertest.Scene(64, 48)
	for _, format := range formats {
		src := encodertest.FromImage(t, scene, format, 0)
		if format == frame.RGBA {
			src = encodertest.FromImage(t, scene, format, 255)
		}
		img := picture.FromFrame(src, nil)
		crop := scene.SubImage(image.Rect(10, 6, 42, 40))
		if db := encodertest.PSNR(scene, grey(format, img)); db < 28 {
			t.Errorf("%s: At gives %.1f dB", format, db)
		}
		want := image.NewRGBA(image.Rect(0, 0, 32, 34))
		draw.Draw(want, want.Rect, crop, crop.Bounds().Min, draw.Src)
		if db := encodertest.PSNR(want, grey(format, img.Crop(10, 6, 32, 34))); db < 28 {
			t.Errorf("%s: crop gives %.1f dB", format, db)
		}
		if odd := img.Crop(11, 7, 9, 9); odd.Width() != 9 || odd.At(0, 0) != img.At(11, 7) && format == frame.RGB {
			t.Errorf("%s: odd crop", format)
		}
		big := img.Resize(128, 96)
		if back := big.Resize(64, 48); back.Err() != nil || encodertest.PSNR(scene, grey(format, back)) < 26 {
			t.Errorf("%s: resize there and back: %v", format, back.Err())
		}
		if twice := img.Mirror().Mirror().Flip().Flip().Rotate(90).Rotate(270).Clone(); encodertest.PSNR(scene, grey(format, twice)) < 26 {
			t.Errorf("%s: turned back, it is another picture", format)
		}
	}
}

// grey makes a picture comparable: PSNR compares luma with grey images only.
func grey(format frame.Format, img image.Image) image.Image {
	if format != frame.Grey {
		return img
	}
	g := image.NewGray(img.Bounds())
	draw.Draw(g, g.Rect, img, image.Point{}, draw.Src)
	return g
}
