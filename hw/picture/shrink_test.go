package picture_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"golang.org/x/image/draw"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func shrink(t *testing.T, jpg []byte, width int) image.Image {
	t.Helper()
	small, err := picture.Shrink(jpg, picture.Limits{}, width, 90)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Release()
	img, err := jpeg.Decode(bytes.NewReader(small.Borrow()))
	if err != nil || img.Bounds() != image.Rect(0, 0, small.Width(), small.Height()) {
		t.Fatalf("%v: %v, told to be %dx%d", err, img.Bounds(), small.Width(), small.Height())
	}
	return img
}

func TestShrunkPictureIsTheSamePicture(t *testing.T) {
	scene := encodertest.Scene(321, 179)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, scene, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	for width, height := range map[int]int{1: 1, 16: 9, 41: 23, 80: 45, 160: 89, 250: 139, 320: 178} {
		small := shrink(t, b.Bytes(), width)
		if got := small.Bounds().Size(); got != image.Pt(width, height) {
			t.Errorf("%d wide: %v, want a height of %d", width, got, height)
		}
		want := image.NewRGBA(small.Bounds())
		draw.BiLinear.Scale(want, want.Rect, scene, scene.Rect, draw.Src, nil)
		if db := encodertest.PSNR(want, small); width > 40 && db < 24 {
			t.Errorf("%d wide: %.1f dB", width, db)
		}
	}
	for _, width := range []int{321, 322, 8192} {
		same, err := picture.Shrink(b.Bytes(), picture.Limits{}, width, 50)
		if err != nil || !bytes.Equal(same.Borrow(), b.Bytes()) || same.Width() != 321 {
			t.Errorf("%d wide: %v: not the picture as it was", width, err)
		}
	}
}

// A photograph that lies on its side becomes an upright one of the width that is asked for.
func TestShrunkPictureIsUpright(t *testing.T) {
	turned := casetest.Read(t, "ori6.jpg")
	upright, err := picture.Decode(turned, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	small := shrink(t, turned, upright.Width()/2)
	want := image.NewRGBA(small.Bounds())
	draw.BiLinear.Scale(want, want.Rect, upright, upright.Bounds(), draw.Src, nil)
	if db := encodertest.PSNR(want, small); db < 22 {
		t.Errorf("%v of %v: %.1f dB", small.Bounds(), upright.Bounds(), db)
	}
}

func TestShrinkRefuses(t *testing.T) {
	jpg := casetest.Read(t, "base.jpg")
	for name, c := range map[string]struct {
		jpg    []byte
		limits picture.Limits
		width  int
		want   error
	}{
		"no width":  {jpg, picture.Limits{}, 0, frame.ErrSize},
		"pixels":    {jpg, picture.Limits{MaxPixels: 10}, 8, frame.ErrTooLarge},
		"no JPEG":   {[]byte("GIF89a"), picture.Limits{}, 8, frame.ErrBadPicture},
		"cut short": {jpg[:len(jpg)/20], picture.Limits{}, 8, frame.ErrBadPicture},
	} {
		if _, err := picture.Shrink(c.jpg, c.limits, c.width, 80); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
