package testcard_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/testcard"
)

func open(t testing.TB, c testcard.Config) *testcard.Source {
	t.Helper()
	s, err := testcard.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t testing.TB, s *testcard.Source, f *frame.Frame) {
	t.Helper()
	if err := s.ReadFrame(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// picture wraps a YUV420 frame as an image that shares its planes.
func picture(f *frame.Frame) *image.YCbCr {
	return &image.YCbCr{
		Y: f.Planes[0], Cb: f.Planes[1], Cr: f.Planes[2], YStride: f.Strides[0], CStride: f.Strides[1],
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, f.Width, f.Height),
	}
}

func TestNumberSurvivesJPEG(t *testing.T) {
	for _, size := range []image.Point{{22, 64}, {32, 32}, {64, 48}, {100, 75}, {160, 120}, {177, 99}, {320, 240}, {641, 479}} {
		for _, quality := range []int{10, 80} {
			t.Run(fmt.Sprintf("%dx%d q%d", size.X, size.Y, quality), func(t *testing.T) {
				s := open(t, testcard.Config{Width: size.X, Height: size.Y, FPS: math.Inf(1)})
				for range 3 {
					var f frame.Frame
					read(t, s, &f)
					var out bytes.Buffer
					if err := jpeg.Encode(&out, picture(&f), &jpeg.Options{Quality: quality}); err != nil {
						t.Fatal(err)
					}
					img, err := jpeg.Decode(&out)
					if err != nil {
						t.Fatal(err)
					}
					if n, ok := testcard.ReadNumber(img); !ok || uint64(n) != f.Sequence {
						t.Fatalf("read %d, %v; drawn %d", n, ok, f.Sequence)
					}
					f.Release()
				}
			})
		}
	}
}

func TestPicturesWithoutANumber(t *testing.T) {
	plain := image.NewRGBA(image.Rect(0, 0, 640, 480))
	if n, ok := testcard.ReadNumber(plain); ok {
		t.Errorf("a black picture has number %d", n)
	}
	for i := range plain.Pix {
		plain.Pix[i] = byte(i * i >> 8)
	}
	if n, ok := testcard.ReadNumber(plain); ok {
		t.Errorf("noise has number %d", n)
	}
	if _, ok := testcard.ReadNumber(image.NewRGBA(image.Rectangle{})); ok {
		t.Error("an empty picture has a number")
	}
}

func TestAnySizeIsDrawn(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 300}, {300, 1}, {2, 2}, {3, 5}, {15, 17}, {16, 16}, {33, 31}, {250, 16}, {16, 250}, {1920, 1080}, {8192, 16}} {
		s := open(t, testcard.Config{Width: size.X, Height: size.Y, FPS: math.Inf(1)})
		for range 3 {
			var f frame.Frame
			read(t, s, &f)
			if err := f.Check(); err != nil {
				t.Error(err)
			}
			if f.Width != size.X || f.Height != size.Y || f.Format != frame.YUV420 {
				t.Errorf("got %s %dx%d, want %v", f.Format, f.Width, f.Height, size)
			}
			f.Release()
		}
	}
}

func TestBarColours(t *testing.T) {
	s := open(t, testcard.Config{Width: 800, Height: 600, FPS: math.Inf(1)})
	var f frame.Frame
	read(t, s, &f)
	want := []color.RGBA{{255, 255, 255, 255}, {255, 255, 0, 255}, {0, 255, 255, 255}, {0, 255, 0, 255}, {255, 0, 255, 255}, {255, 0, 0, 255}, {0, 0, 255, 255}, {0, 0, 0, 255}}
	wrong := 0
	for i, c := range want {
		// At two positions: the sweep may be at one.
		seen := false
		for _, x := range []int{100*i + 20, 100*i + 80} {
			got := color.RGBAModel.Convert(picture(&f).At(x, 4)).(color.RGBA)
			seen = seen || near(got.R, c.R) && near(got.G, c.G) && near(got.B, c.B)
		}
		if !seen {
			wrong++
			t.Logf("bar %d is not %v", i, c)
		}
	}
	if wrong > 0 {
		t.Error("wrong bars")
	}
	if path := os.Getenv("TESTCARD_PNG"); path != "" {
		var out bytes.Buffer
		if err := png.Encode(&out, picture(&f)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func near(a, b uint8) bool { return max(a, b)-min(a, b) < 6 }

func TestResizeAndSetFPSWhileRunning(t *testing.T) {
	s := open(t, testcard.Config{Width: 64, Height: 48, FPS: 0.01})
	var f frame.Frame
	read(t, s, &f) // the first is due at once
	f.Release()
	done := make(chan error)
	go func() { done <- s.ReadFrame(context.Background(), &f) }()
	time.Sleep(20 * time.Millisecond)
	if err := s.Resize(128, 96); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFPS(100); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the read still waits by the old rate")
	}
	if f.Width != 128 || f.Height != 96 || s.Info().Width != 128 || s.Info().FPS != 100 {
		t.Errorf("frame %dx%d, info %+v", f.Width, f.Height, s.Info())
	}
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(-1), 1e9} {
		if s.SetFPS(bad) == nil {
			t.Errorf("SetFPS(%g) accepted", bad)
		}
	}
	if s.Resize(0, 5) == nil || s.Resize(9000, 5) == nil {
		t.Error("bad size accepted")
	}
}

func TestReusedFramesAreRedrawn(t *testing.T) {
	s := open(t, testcard.Config{Width: 320, Height: 240, FPS: math.Inf(1)})
	for range 4 {
		var f frame.Frame
		read(t, s, &f)
		if n, ok := testcard.ReadNumber(picture(&f)); !ok || uint64(n) != f.Sequence || picture(&f).YCbCrAt(50, 2).Y == 99 {
			t.Fatalf("frame %d has a reader's writes to an earlier frame (%d %v)", f.Sequence, n, ok)
		}
		for i := range f.Planes[0] {
			f.Planes[0][i] = 99
		}
		f.Release()
		f.Release()
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, size := range []image.Point{{640, 480}, {1280, 720}, {1920, 1080}} {
		b.Run(fmt.Sprintf("%dx%d", size.X, size.Y), func(b *testing.B) {
			s := open(b, testcard.Config{Width: size.X, Height: size.Y, FPS: math.Inf(1)})
			b.ReportAllocs()
			var f frame.Frame
			for b.Loop() {
				read(b, s, &f)
				f.Release()
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		open(b, testcard.Config{Width: 1280, Height: 720}).Close()
	}
}
