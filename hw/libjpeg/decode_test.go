package libjpeg_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func stdJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func frameImage(f *frame.Frame) image.Image {
	return &image.YCbCr{
		Y: f.Planes[0], Cb: f.Planes[1], Cr: f.Planes[2], YStride: f.Strides[0], CStride: f.Strides[1],
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, f.Width, f.Height),
	}
}

func TestDecodeFrame(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {2, 3}, {99, 51}, {160, 120}} {
		scene := encodertest.Scene(size.X, size.Y)
		f, err := libjpeg.DecodeFrame(stdJPEG(t, scene), libjpeg.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(); err != nil || f.Format != frame.YUV420 || f.Width != size.X || f.Height != size.Y {
			t.Fatalf("%+v: %v", f, err)
		}
		if db := encodertest.PSNR(scene, frameImage(f)); db < 30 {
			t.Errorf("%v: %.1f dB", size, db)
		}
	}
}

func TestFrameOfAcceptsEveryKindOfImage(t *testing.T) {
	scene := encodertest.Scene(61, 37)
	ycc := func(ratio image.YCbCrSubsampleRatio) image.Image {
		m := image.NewYCbCr(scene.Rect, ratio)
		for y := range 37 {
			for x := range 61 {
				c := scene.RGBAAt(x, y)
				m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = color.RGBToYCbCr(c.R, c.G, c.B)
			}
		}
		return m
	}
	grey := image.NewGray(scene.Rect)
	for y := range 37 {
		for x := range 61 {
			grey.Set(x, y, scene.At(x, y))
		}
	}
	for name, img := range map[string]image.Image{
		"rgba": scene, "4:4:4": ycc(image.YCbCrSubsampleRatio444), "4:2:2": ycc(image.YCbCrSubsampleRatio422), "4:2:0": ycc(image.YCbCrSubsampleRatio420),
		"4:4:0": ycc(image.YCbCrSubsampleRatio440), "4:1:1": ycc(image.YCbCrSubsampleRatio411), "part of a larger one": encodertest.Scene(80, 80).SubImage(scene.Rect),
	} {
		f, err := libjpeg.FrameOf(img)
		if err != nil || f.Check() != nil {
			t.Fatalf("%s: %v, %v", name, err, f.Check())
		}
		if db := encodertest.PSNR(scene, frameImage(f)); db < 27 {
			t.Errorf("%s: %.1f dB", name, db)
		}
	}
	f, err := libjpeg.FrameOf(grey)
	if err != nil || f.Planes[1][5] != 128 || f.Planes[2][7] != 128 || f.Planes[0][100] != grey.Pix[100] {
		t.Errorf("grey: %v", err)
	}
	if _, err := libjpeg.FrameOf(image.NewGray(image.Rect(0, 0, 0, 5))); !errors.Is(err, frame.ErrSize) {
		t.Errorf("empty image: %v", err)
	}
}

func TestDecodeLimits(t *testing.T) {
	jpg := stdJPEG(t, encodertest.Scene(100, 100))
	for name, c := range map[string]struct {
		jpg    []byte
		limits libjpeg.Limits
		want   error
	}{
		"pixels":     {jpg, libjpeg.Limits{MaxPixels: 9999}, frame.ErrTooLarge},
		"bytes":      {jpg, libjpeg.Limits{MaxBytes: len(jpg) - 1}, frame.ErrTooLarge},
		"just fits":  {jpg, libjpeg.Limits{MaxPixels: 10000, MaxBytes: len(jpg)}, nil},
		"cut off":    {jpg[:len(jpg)-10], libjpeg.Limits{}, frame.ErrBadPicture},
		"not a JPEG": {[]byte("\x89PNG\r\n"), libjpeg.Limits{}, frame.ErrBadPicture},
	} {
		if _, err := libjpeg.Decode(c.jpg, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// A few bytes that claim the largest picture are refused by their size, before memory is allocated.
	huge := bytes.Clone(jpg)
	sof := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[sof+5:], []byte{0x20, 0, 0x20, 0})
	if _, err := libjpeg.Decode(huge, libjpeg.Limits{}); !errors.Is(err, frame.ErrTooLarge) {
		t.Errorf("8192x8192: %v", err)
	}
}
