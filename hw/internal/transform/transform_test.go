package transform_test

import (
	"bytes"
	"fmt"
	"image"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/transform"
	"github.com/maixstream/maixstream/internal/encodertest"
)

var formats = []frame.Format{frame.YUV420, frame.NV21, frame.NV12, frame.YUV422, frame.YUYV, frame.Grey, frame.RGB, frame.BGR, frame.RGBA}

// turned is the reference implementation, pixel by pixel.
func turned(src *image.RGBA, l frame.Look) *image.RGBA {
	step := func(src *image.RGBA, w, h int, from func(x, y int) (int, int)) *image.RGBA {
		dst := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				fx, fy := from(x, y)
				dst.SetRGBA(x, y, src.RGBAAt(fx, fy))
			}
		}
		return dst
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	if l.Mirror {
		src = step(src, w, h, func(x, y int) (int, int) { return w - 1 - x, y })
	}
	if l.Flip {
		src = step(src, w, h, func(x, y int) (int, int) { return x, h - 1 - y })
	}
	for range l.Rotate / 90 {
		w, h := src.Rect.Dx(), src.Rect.Dy()
		src = step(src, h, w, func(x, y int) (int, int) { return y, h - 1 - x })
	}
	return src
}

func TestEveryLookInEveryFormat(t *testing.T) {
	for _, size := range []image.Point{{32, 16}, {50, 34}} {
		scene := encodertest.Scene(size.X, size.Y)
		for _, format := range formats {
			tr := transform.New()
			for i := range 16 {
				l := frame.Look{Mirror: i&1 != 0, Flip: i&2 != 0, Rotate: i >> 2 * 90}
				src := encodertest.FromImage(t, scene, format, 0)
				before := bytes.Clone(src.Planes[0])
				got, err := tr.Apply(src, &l)
				if err != nil {
					t.Fatal(err)
				}
				want := encodertest.FromImage(t, turned(scene, l), format, 0)
				tolerance := 0
				if (format == frame.YUV422 || format == frame.YUYV) && l.Rotate%180 != 0 {
					tolerance = 40 // chroma is averaged over other pixels; luma is exact, and therefore checked separately
				}
				if err := same(got, want, tolerance); err != nil {
					t.Errorf("%s %v %+v: %v", format, size, l, err)
				}
				if !bytes.Equal(before, src.Planes[0]) {
					t.Fatalf("%s %+v: the source was written", format, l)
				}
				if l == (frame.Look{}) && got != src {
					t.Error("no look, but another frame")
				}
			}
		}
	}
}

func same(got, want *frame.Frame, tolerance int) error {
	if got.Width != want.Width || got.Height != want.Height || got.Format != want.Format {
		return fmt.Errorf("%s %dx%d, want %s %dx%d", got.Format, got.Width, got.Height, want.Format, want.Width, want.Height)
	}
	for i := range got.Format.Planes() {
		rowBytes, rows := got.Format.PlaneSize(i, got.Width, got.Height)
		for y := range rows {
			for x := range rowBytes {
				if got.Format == frame.RGBA && x%4 == 3 {
					continue
				}
				limit := tolerance
				if i == 0 && (got.Format != frame.YUYV || x%2 == 0) {
					limit = 0
				}
				a, b := int(got.Planes[i][y*got.Strides[i]+x]), int(want.Planes[i][y*want.Strides[i]+x])
				if a-b > limit || b-a > limit {
					return fmt.Errorf("plane %d, byte %d of row %d: %d, want %d", i, x, y, a, b)
				}
			}
		}
	}
	return nil
}

func TestOddSizesDoNotPanic(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 2}, {3, 1}, {17, 5}, {7, 33}} {
		for _, format := range formats {
			tr := transform.New()
			for i := range 16 {
				l := frame.Look{Mirror: i&1 != 0, Flip: i&2 != 0, Rotate: i >> 2 * 90, Overlay: "%H:%M:%S\nsecond line"}
				got, err := tr.Apply(encodertest.FromImage(t, encodertest.Scene(size.X, size.Y), format, 0), &l)
				if err != nil || got.Check() != nil {
					t.Fatalf("%s %v %+v: %v", format, size, l, err)
				}
			}
		}
	}
}

func TestInvalidLooksAreRejected(t *testing.T) {
	f := encodertest.FromImage(t, encodertest.Scene(16, 16), frame.YUV420, 0)
	for _, l := range []frame.Look{{Rotate: 45}, {Rotate: -90}, {Rotate: 360}} {
		if _, err := transform.New().Apply(f, &l); err == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
	released := &frame.Frame{Format: frame.YUV420, Width: 16, Height: 16}
	if _, err := transform.New().Apply(released, &frame.Look{Mirror: true}); err == nil {
		t.Error("a released frame was accepted")
	}
}

// luma returns the brightness of a pixel in any format.
func luma(f *frame.Frame, x, y int) byte {
	row := f.Planes[0][y*f.Strides[0]:]
	switch f.Format {
	case frame.RGB, frame.BGR:
		return row[3*x+1]
	case frame.RGBA:
		return row[4*x+1]
	case frame.YUYV:
		return row[2*x]
	}
	return row[x]
}

func TestOverlayIsReadableInTheLowerLeftCorner(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 34, 56, 0, time.Local)
	for _, format := range formats {
		f, err := frame.Alloc(format, 640, 480)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range f.Planes {
			for j := range p {
				p[j] = 200 // bright: white letters are readable only on the box
				if i > 0 {
					p[j] = 90
				}
			}
		}
		f.Captured = at
		got, err := transform.New().Apply(f, &frame.Look{Overlay: "front door %H:%M:%S"})
		if err != nil {
			t.Fatal(err)
		}
		var white, dark, right int
		for y := range 480 {
			for x := range 640 {
				switch v := luma(got, x, y); {
				case v > 240:
					white++
				case v < 90:
					dark++
				}
				if x > 400 && luma(got, x, y) != 200 || y < 440 && luma(got, x, y) != 200 {
					right++
				}
			}
		}
		if white < 300 || dark < 3000 || right != 0 {
			t.Errorf("%s: %d white pixels, %d dark ones, %d changed outside the corner", format, white, dark, right)
		}
	}
}

func TestOverlayShowsTheCaptureTime(t *testing.T) {
	tr := transform.New()
	f := encodertest.FromImage(t, encodertest.Scene(320, 240), frame.YUV420, 0)
	shot := func(at time.Time, text string) []byte {
		f.Captured = at
		got, err := tr.Apply(f, &frame.Look{Overlay: text})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(got.Planes[0])
	}
	base := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	first := shot(base, "%H:%M:%S")
	if !bytes.Equal(first, shot(base.Add(300*time.Millisecond), "%H:%M:%S")) {
		t.Error("the text changed within a second")
	}
	if bytes.Equal(first, shot(base.Add(time.Second), "%H:%M:%S")) {
		t.Error("the text did not change with the second")
	}
	if bytes.Equal(shot(base, "%S.%L"), shot(base.Add(7*time.Millisecond), "%S.%L")) {
		t.Error("milliseconds do not change")
	}
}

func TestApplyDoesNotAllocate(t *testing.T) {
	for _, format := range []frame.Format{frame.YUV420, frame.RGB, frame.YUYV} {
		f := encodertest.FromImage(t, encodertest.Scene(320, 240), format, 0)
		f.Captured = time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
		tr := transform.New()
		look := &frame.Look{Mirror: true, Rotate: 90, Overlay: "%H:%M:%S"}
		if n := testing.AllocsPerRun(50, func() {
			if _, err := tr.Apply(f, look); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per frame", format, n)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	f := encodertest.FromImage(b, encodertest.Scene(1280, 720), frame.YUV420, 0)
	f.Captured = time.Now()
	for _, l := range []frame.Look{{Overlay: "%H:%M:%S"}, {Mirror: true}, {Flip: true}, {Rotate: 90}, {Rotate: 180}} {
		b.Run(fmt.Sprintf("%+v", l), func(b *testing.B) {
			tr := transform.New()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Apply(f, &l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
