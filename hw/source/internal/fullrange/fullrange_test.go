package fullrange_test

import (
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/fullrange"
)

func TestLimitsMapToTheEnds(t *testing.T) {
	for _, c := range []struct{ in, luma, chroma byte }{{0, 0, 0}, {16, 0, 1}, {128, 130, 128}, {235, 255, 250}, {240, 255, 255}, {255, 255, 255}} {
		if fullrange.Luma[c.in] != c.luma || fullrange.Chroma[c.in] != c.chroma {
			t.Errorf("%d: luma %d, chroma %d; want %d, %d", c.in, fullrange.Luma[c.in], fullrange.Chroma[c.in], c.luma, c.chroma)
		}
	}
}

func TestOnlySamplesAreMapped(t *testing.T) {
	for _, format := range []frame.Format{frame.YUV420, frame.NV21, frame.NV12, frame.YUV422, frame.YUYV, frame.Grey, frame.RGB, frame.BGR, frame.RGBA} {
		for _, width := range []int{1, 2, 7, 8, 9, 33} {
			f, err := frame.Alloc(format, width, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, plane := range f.Planes {
				for i := range plane {
					plane[i] = 16
				}
			}
			fullrange.Convert(f)
			for i := range format.Planes() {
				rowBytes, rows := format.PlaneSize(i, width, 3)
				for at, v := range f.Planes[i] {
					x, y := at%f.Strides[i], at/f.Strides[i]
					want := byte(0)
					switch {
					case x >= rowBytes || y >= rows, format == frame.RGB || format == frame.BGR || format == frame.RGBA:
						want = 16
					case i > 0 || format == frame.YUYV && x&1 == 1:
						want = 1
					}
					if v != want {
						t.Fatalf("%s, width %d, plane %d, %d,%d: %d, want %d", format, width, i, x, y, v, want)
					}
				}
			}
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	for _, format := range []frame.Format{frame.YUYV, frame.YUV420} {
		b.Run(format.String(), func(b *testing.B) {
			f, err := frame.Alloc(format, 1280, 720)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				fullrange.Convert(f)
			}
		})
	}
}
