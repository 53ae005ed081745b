//go:build linux && cgo

package sg2002

import (
	"image"
	"image/color"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// The simulator's sensor shows the scene described in third_party/sg2002/README.md: four coloured squares and the frame's number in cells.

// view describes how the scene is mapped to the pictures.
type view struct {
	sensor        image.Point // pixels of the sensor's mode
	fit           string
	mirror, flip  bool
	width, height int
}

// at returns the position in the picture of a point of the scene, in sensor pixels.
func (v view) at(x, y float64) image.Point {
	w, h := float64(v.width), float64(v.height)
	sx, sy := w/float64(v.sensor.X), h/float64(v.sensor.Y)
	switch v.fit {
	case "crop":
		sx = max(sx, sy)
		sy = sx
	case "pad":
		sx = min(sx, sy)
		sy = sx
	}
	px := w/2 + (x-float64(v.sensor.X)/2)*sx
	py := h/2 + (y-float64(v.sensor.Y)/2)*sy
	if v.mirror {
		px = w - px
	}
	if v.flip {
		py = h - py
	}
	return image.Pt(int(px), int(py))
}

// decode decodes with libjpeg-turbo: under emulators and sanitizers Go's own decoder takes seconds per picture.
func decode(t testing.TB, jpg []byte) image.Image {
	t.Helper()
	f, err := libjpeg.DecodeFrame(jpg, libjpeg.Limits{})
	if err != nil || f.Format != frame.YUV420 {
		t.Fatalf("decode a JPEG of %d bytes: format %v, %v", len(jpg), f, err)
	}
	return &image.YCbCr{
		Y: f.Planes[0], Cb: f.Planes[1], Cr: f.Planes[2], YStride: f.Strides[0], CStride: f.Strides[1],
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, f.Width, f.Height),
	}
}

func luma(c color.Color) int { return int(color.GrayModel.Convert(c).(color.Gray).Y) }

// number reads the frame number from a picture.
func (v view) number(t testing.TB, picture image.Image) int {
	t.Helper()
	w, h := float64(v.sensor.X), float64(v.sensor.Y)
	var word uint32
	for i := range 32 {
		p := v.at(w/4+(float64(i)+0.5)*w/64, h/4+h/32)
		word <<= 1
		if luma(picture.At(p.X, p.Y)) > 128 {
			word |= 1
		}
	}
	n := word >> 4 & 0xffffff
	var check uint32
	for i := range 6 {
		check ^= n >> (4 * i) & 15
	}
	if word>>28 != 0b1011 || word&15 != check {
		t.Fatalf("no frame number in the picture: cells 0x%08x", word)
	}
	return int(n)
}

// check expects the four squares and the bars in their places.
func (v view) check(t testing.TB, picture image.Image, grey bool) {
	t.Helper()
	if got := picture.Bounds().Size(); got != image.Pt(v.width, v.height) {
		t.Fatalf("picture of %v, want %dx%d", got, v.width, v.height)
	}
	w, h := float64(v.sensor.X), float64(v.sensor.Y)
	half := h / 24
	for _, square := range []struct {
		name string
		x, y float64
		want color.YCbCr
	}{
		{"red", w*3/16 + half, h/8 + half, color.YCbCr{Y: 81, Cb: 90, Cr: 240}},
		{"green", w*13/16 - half, h/8 + half, color.YCbCr{Y: 145, Cb: 54, Cr: 34}},
		{"blue", w*3/16 + half, h*7/8 - half, color.YCbCr{Y: 41, Cb: 240, Cr: 110}},
		{"white", w*13/16 - half, h*7/8 - half, color.YCbCr{Y: 235, Cb: 128, Cr: 128}},
	} {
		p := v.at(square.x, square.y)
		if !p.In(picture.Bounds()) {
			continue // cropped away
		}
		got := color.YCbCrModel.Convert(picture.At(p.X, p.Y)).(color.YCbCr)
		far := distance(got.Y, square.want.Y) > 40
		if !grey {
			far = far || distance(got.Cb, square.want.Cb) > 40 || distance(got.Cr, square.want.Cr) > 40
		}
		if far {
			t.Errorf("%s square at %v is %v, want %v", square.name, p, got, square.want)
		}
	}
	if v.fit == "pad" {
		// Just outside the sensor's picture there is a bar, if that is inside the output.
		p := v.at(w/2, -h/16)
		if q := v.at(-w/16, h/2); !p.In(picture.Bounds()) {
			p = q
		}
		if p.In(picture.Bounds()) && luma(picture.At(p.X, p.Y)) > 32 {
			t.Errorf("no black bar at %v", p)
		}
	}
}

func distance(a, b uint8) int {
	if a > b {
		return int(a - b)
	}
	return int(b - a)
}
