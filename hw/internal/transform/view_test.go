package transform_test

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/transform"
	"github.com/maixstream/maixstream/internal/encodertest"
)

// quarters are four uniform colours, so that a part of a quarter has the same colour in every format.
func quarters(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{200, 40, 40, 255}
			switch right, below := x >= w/2, y >= h/2; {
			case right && below:
				c = color.RGBA{230, 230, 230, 255}
			case right:
				c = color.RGBA{40, 200, 40, 255}
			case below:
				c = color.RGBA{40, 40, 200, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func TestViewInEveryFormat(t *testing.T) {
	for _, size := range []image.Point{{64, 48}, {67, 35}} {
		scene := quarters(size.X, size.Y)
		for _, format := range formats {
			src := encodertest.FromImage(t, scene, format, 0)
			before := bytes.Clone(src.Planes[0])
			tr := transform.New()
			for name, c := range map[string]struct {
				view frame.View
				at   image.Point // a pixel of the colour expected everywhere
			}{
				"top left":     {frame.View{Zoom: 4, X: 0.2, Y: 0.2}, image.Pt(2, 2)},
				"bottom right": {frame.View{Zoom: 4, X: 0.8, Y: 0.8}, image.Pt(size.X-2, size.Y-2)},
				"corner":       {frame.View{Zoom: 8, X: 1, Y: 0}, image.Pt(size.X-2, 2)},
				"beyond":       {frame.View{Zoom: 8, X: -3, Y: 9}, image.Pt(2, size.Y-2)},
			} {
				got, err := tr.Apply(src, &frame.Look{View: c.view})
				if err != nil {
					t.Fatal(err)
				}
				if got.Width != size.X || got.Height != size.Y || got.Format != format || got.Sequence != src.Sequence {
					t.Fatalf("%s %s: %dx%d %s", format, name, got.Width, got.Height, got.Format)
				}
				want := encodertest.FromImage(t, uniform(size, scene.RGBAAt(c.at.X, c.at.Y)), format, 0)
				for i := range format.Planes() {
					rowBytes, rows := format.PlaneSize(i, size.X, size.Y)
					for y := range rows {
						g, w := got.Planes[i][y*got.Strides[i]:][:rowBytes], want.Planes[i][y*want.Strides[i]:][:rowBytes]
						for x := range g {
							if d := int(g[x]) - int(w[x]); (d > 2 || d < -2) && (format != frame.RGBA || x%4 != 3) {
								t.Fatalf("%s %s: plane %d, byte %d of row %d is %d, want %d", format, name, i, x, y, g[x], w[x])
							}
						}
					}
				}
			}
			if !bytes.Equal(before, src.Planes[0]) {
				t.Errorf("%s: the source's frame was written", format)
			}
		}
	}
}

func uniform(size image.Point, c color.RGBA) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// The top left of the rotated picture is the bottom right of the camera's.
func TestViewIsOfTheRotatedPicture(t *testing.T) {
	src := encodertest.FromImage(t, quarters(64, 48), frame.YUV420, 0)
	got, err := transform.New().Apply(src, &frame.Look{View: frame.View{Zoom: 4, X: 0.2, Y: 0.2}, Rotate: 90, Mirror: true})
	if err != nil || got.Width != 48 || got.Height != 64 {
		t.Fatalf("%v, %v", got, err)
	}
	if y, want := got.Planes[0][10*got.Strides[0]+10], src.Planes[0][47*src.Strides[0]+63]; y != want {
		t.Errorf("luma %d, want that of the right bottom quarter, %d", y, want)
	}
}

func TestCropStaysInside(t *testing.T) {
	for _, size := range []image.Point{{640, 480}, {33, 17}, {2, 2}, {1, 1}, {3, 200}} {
		for _, v := range []frame.View{{}, {Zoom: 1, X: 5}, {Zoom: 1.3, X: 1, Y: 1}, {Zoom: 2, X: 0.5, Y: 0.5}, {Zoom: 8}, {Zoom: 1e9, X: -1e3, Y: 1e3}} {
			x, y, w, h := v.Crop(size.X, size.Y)
			if x < 0 || y < 0 || w < 1 || h < 1 || x+w > size.X || y+h > size.Y {
				t.Errorf("%+v of %v: %d,%d %dx%d", v, size, x, y, w, h)
			}
		}
	}
}

func TestViewDoesNotAllocate(t *testing.T) {
	src := encodertest.FromImage(t, quarters(64, 48), frame.YUV420, 0)
	tr, look := transform.New(), frame.Look{View: frame.View{Zoom: 2, X: 0.5, Y: 0.5}}
	apply := func() {
		if _, err := tr.Apply(src, &look); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	if n := testing.AllocsPerRun(50, apply); n > 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
