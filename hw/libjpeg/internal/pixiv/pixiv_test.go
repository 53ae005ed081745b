//go:build cgo

package pixiv_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"sync"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg/internal/pixiv"
	"github.com/maixstream/maixstream/internal/encodertest"
)

// Among what the suite pins down: output that does not depend on stray bytes at heights such as 1080, a destination that is too small ends
// with an error instead of never, encoders in parallel.
func TestEncoderConforms(t *testing.T) {
	encodertest.Run(t, func(testing.TB) frame.Encoder { return new(pixiv.Encoder) }, encodertest.Options{
		Formats: []frame.Format{frame.YUV420, frame.Grey}, Allocates: true,
	})
}

func TestEncodeRefusesOtherFormats(t *testing.T) {
	f, err := frame.Alloc(frame.YUYV, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(pixiv.Encoder).Encode(make([]byte, 10000), f, 80); !errors.Is(err, frame.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestDecodeAgreesWithTheStandardLibrary(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {17, 33}, {160, 121}} {
		scene := encodertest.Scene(size.X, size.Y)
		grey := image.NewGray(scene.Rect)
		for y := range size.Y {
			for x := range size.X {
				grey.Set(x, y, scene.At(x, y))
			}
		}
		for _, img := range []image.Image{scene, grey} {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 92}); err != nil {
				t.Fatal(err)
			}
			want, err := jpeg.Decode(bytes.NewReader(b.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := pixiv.Decode(b.Bytes(), pixiv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			same := image.NewRGBA(scene.Rect)
			for y := range size.Y {
				for x := range size.X {
					same.Set(x, y, color.RGBAModel.Convert(want.At(x, y)))
				}
			}
			if db := encodertest.PSNR(same, got); db < 45 {
				t.Errorf("%T %v: %.1f dB from image/jpeg's", img, size, db)
			}
		}
	}
}

// The bytes of go-libjpeg's issue 51 (arithmetic coding; crashed) and of the kind in its issue 58 (garbage between markers; crashed in parallel).
func TestCorruptPicturesAreRefusedInParallel(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, encodertest.Scene(200, 100), nil); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	gap := append(append(append([]byte{}, whole[:2]...), bytes.Repeat([]byte{0x55}, 9455)...), whole[2:]...)
	inScan := bytes.Clone(whole)
	for i := len(inScan) / 2; i < len(inScan)-2; i += 7 {
		inScan[i] ^= 0x3c
	}
	arithmetic := bytes.Clone(whole)
	arithmetic[bytes.Index(arithmetic, []byte{0xff, 0xc0})+1] = 0xc9
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for name, data := range map[string][]byte{"empty": nil, "arithmetic coding": arithmetic, "cut off": whole[:len(whole)/2]} {
					if _, err := pixiv.Decode(data, pixiv.Options{}); !errors.Is(err, frame.ErrBadPicture) {
						t.Errorf("%s: %v; want ErrBadPicture", name, err)
					}
				}
				for name, data := range map[string][]byte{"garbage between markers": gap, "no EOI": whole[:len(whole)-2]} { // completed first
					if img, err := pixiv.Decode(data, pixiv.Options{RGB: true}); err != nil || img.Bounds().Dx() != 200 {
						t.Errorf("%s: %v", name, err)
					}
				}
				_, _ = pixiv.Decode(inScan, pixiv.Options{}) // libjpeg decodes what it can: neither a crash nor a hang is all that is asked
				if img, err := pixiv.Decode(whole, pixiv.Options{}); err != nil || img.Bounds().Dx() != 200 {
					t.Errorf("whole: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecode(f *testing.F) {
	for _, size := range []image.Point{{1, 1}, {16, 16}, {33, 17}} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, encodertest.Scene(size.X, size.Y), nil); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()-2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := pixiv.Decode(data, pixiv.Options{})
		if (img == nil) == (err == nil) {
			t.Errorf("image %T and error %v", img, err)
		}
	})
}
