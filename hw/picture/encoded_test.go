package picture_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func TestBytesOutliveReleaseAndBorrowedOnesDoNot(t *testing.T) {
	img := picture.New(64, 64, picture.RGB)
	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	kept := jpg.Bytes()
	if &kept[0] == &jpg.Borrow()[0] || !bytes.Equal(kept, jpg.Borrow()) || jpg.Len() != len(kept) {
		t.Error("Bytes is no copy of Borrow")
	}
	first := jpg.Borrow()
	if &first[0] != &jpg.Borrow()[0] {
		t.Error("Borrow copies")
	}
	var out bytes.Buffer
	if n, err := jpg.WriteTo(&out); err != nil || int(n) != len(kept) || !bytes.Equal(out.Bytes(), kept) {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
	jpg.Release()
	jpg.Release()
	if jpg.Borrow() != nil || jpg.Bytes() != nil || jpg.Len() != 0 {
		t.Error("a released picture still gives bytes")
	}
	if _, err := jpg.WriteTo(&out); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("WriteTo after Release: %v", err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(kept)); err != nil {
		t.Errorf("the copy is broken: %v", err)
	}
	// The memory is somebody else's now; the copy must not change with it.
	again := bytes.Clone(kept)
	for range 20 {
		other := picture.New(64, 64, picture.RGB)
		other.Fill(picture.Red)
		j, err := other.JPEG(90)
		if err != nil {
			t.Fatal(err)
		}
		j.Release()
	}
	if !bytes.Equal(again, kept) {
		t.Error("the copy changed")
	}
}

func TestPicturesInParallel(t *testing.T) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 10 {
				img := picture.New(100, 80+n, picture.NV21)
				img.DrawText(0, 0, "text", picture.White, 20)
				jpg, err := img.JPEG(70)
				if err != nil {
					t.Error(err)
					return
				}
				if c, err := jpeg.DecodeConfig(bytes.NewReader(jpg.Borrow())); err != nil || c.Height != 80+n {
					t.Errorf("%+v, %v", c, err)
				}
				jpg.Release()
			}
		})
	}
	wg.Wait()
}

// camera is an owner of frames that are out of the CPU's reach until they are mapped.
type camera struct {
	pixels                     *frame.Frame
	mapped, flushed, released  int
	encodedByHandle, afterDraw bool
	refuse                     error
}

func (c *camera) ReleaseFrame(*frame.Frame) { c.released++ }

func (c *camera) MapFrame(f *frame.Frame) error {
	c.mapped++
	f.Planes, f.Strides = c.pixels.Planes, c.pixels.Strides
	return nil
}

func (c *camera) FlushFrame(*frame.Frame) error { c.flushed++; return nil }
func (c *camera) Name() string                  { return "fake hardware" }
func (c *camera) Close() error                  { return nil }

func (c *camera) Encode(dst []byte, f *frame.Frame, _ int) (int, error) {
	if c.refuse != nil {
		return 0, c.refuse
	}
	c.encodedByHandle = f.Handle == 7 && f.Planes[0] == nil
	c.afterDraw = c.flushed > 0
	return copy(dst, "hardware's"), nil
}

func newCamera(t *testing.T) (*camera, *picture.Image) {
	c := &camera{pixels: encodertest.FromImage(t, encodertest.Scene(64, 48), frame.NV21, 0)}
	return c, picture.FromFrame(&frame.Frame{Format: frame.NV21, Width: 64, Height: 48, Owner: c, Handle: 7}, c)
}

func TestAnUntouchedCameraFrameGoesToTheHardwareByItsHandle(t *testing.T) {
	c, img := newCamera(t)
	jpg, err := img.JPEG(80)
	if err != nil || string(jpg.Borrow()) != "hardware's" || !c.encodedByHandle || c.mapped+c.flushed != 0 {
		t.Errorf("%v; %+v", err, c)
	}
	img.Release()
	img.Release()
	if c.released != 1 {
		t.Errorf("released %d times", c.released)
	}
	if _, err := img.JPEG(80); err == nil {
		t.Error("a released image is encoded")
	}
	img.DrawRect(0, 0, 5, 5, picture.Red, 1)
}

func TestADrawnOnCameraFrameIsMappedAndFlushedOnce(t *testing.T) {
	c, img := newCamera(t)
	img.DrawRect(10, 10, 20, 20, picture.Red, -1)
	img.DrawText(0, 0, "x", picture.White, 12)
	for range 2 {
		if _, err := img.JPEG(80); err != nil {
			t.Fatal(err)
		}
	}
	if c.mapped != 1 || c.flushed != 1 || !c.afterDraw {
		t.Errorf("%+v", c)
	}
	if img.At(15, 15) == img.At(40, 40) {
		t.Error("nothing was drawn")
	}
}

func TestSoftwareEncodesWhatTheHardwareCannot(t *testing.T) {
	c, img := newCamera(t)
	c.refuse = frame.ErrUnsupported
	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jpeg.Decode(bytes.NewReader(jpg.Borrow()))
	if err != nil || encodertest.PSNR(encodertest.Scene(64, 48), got) < 28 {
		t.Errorf("%v", err)
	}
	c.refuse = errors.New("device is gone")
	if _, err := img.JPEG(80); !errors.Is(err, c.refuse) {
		t.Errorf("another error of the hardware is hidden: %v", err)
	}
}

func TestDecodeWithinLimits(t *testing.T) {
	scene := encodertest.Scene(50, 40)
	var p, j bytes.Buffer
	if err := png.Encode(&p, scene); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, scene, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"png": p.Bytes(), "jpeg": j.Bytes()} {
		img, err := picture.Decode(data, picture.Limits{})
		if err != nil || img.Format() != picture.RGB || encodertest.PSNR(scene, img) < 30 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := picture.Decode(data, picture.Limits{MaxPixels: 1999}); !errors.Is(err, frame.ErrTooLarge) {
			t.Errorf("%s, too many pixels: %v", name, err)
		}
		if _, err := picture.Decode(data, picture.Limits{MaxBytes: 100}); !errors.Is(err, frame.ErrTooLarge) {
			t.Errorf("%s, too many bytes: %v", name, err)
		}
		if _, err := picture.Decode(data[:len(data)/2], picture.Limits{}); !errors.Is(err, frame.ErrBadPicture) {
			t.Errorf("%s, half of it: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "picture."+name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if img, err := picture.Open(path, picture.Limits{}); err != nil || img.Width() != 50 {
			t.Errorf("open %s: %v", name, err)
		}
		if _, err := picture.Open(path, picture.Limits{MaxBytes: 99}); !errors.Is(err, frame.ErrTooLarge) {
			t.Errorf("open %s, too large: %v", name, err)
		}
	}
	clear := image.NewNRGBA(image.Rect(0, 0, 3, 3))
	grey := image.NewGray(image.Rect(0, 0, 3, 3))
	for want, img := range map[frame.Format]image.Image{picture.RGBA: clear, picture.Grey: grey} {
		got, err := picture.FromImage(img)
		if err != nil || got.Format() != want {
			t.Errorf("%T: %v, %v", img, got.Format(), err)
		}
	}
	if _, err := picture.Open("/does/not/exist", picture.Limits{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFaintColoursOfAPNGStayWhatTheyAre(t *testing.T) {
	faint := image.NewNRGBA(image.Rect(3, 5, 19, 21))
	for i := range faint.Pix {
		faint.Pix[i] = uint8(i * 37)
	}
	first, err := picture.FromImage(faint)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := first.PNG()
	if err != nil {
		t.Fatal(err)
	}
	defer encoded.Release()
	img, err := picture.Decode(encoded.Borrow(), picture.Limits{})
	if err != nil || img.Format() != picture.RGBA {
		t.Fatal(img.Format(), err)
	}
	for y := range 16 {
		for x := range 16 {
			if got, want := img.At(x, y), faint.At(x+3, y+5); got != want {
				t.Fatalf("pixel %d,%d is %v, want %v", x, y, got, want)
			}
		}
	}
}

// A PNG of a few bytes that promises 50000x50000 pixels costs nothing.
func TestAPNGBombIsRefusedByItsHeader(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 9000, 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := picture.Decode(b.Bytes(), picture.Limits{}); !errors.Is(err, frame.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func FuzzDecode(f *testing.F) {
	var p, j bytes.Buffer
	_ = png.Encode(&p, encodertest.Scene(5, 4))
	_ = jpeg.Encode(&j, encodertest.Scene(17, 3), nil)
	f.Add(p.Bytes())
	f.Add(j.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := picture.Decode(data, picture.Limits{MaxPixels: 1 << 16, MaxBytes: 1 << 16})
		if (img == nil) == (err == nil) || err == nil && img.Width()*img.Height() > 1<<16 {
			t.Errorf("%v, %v", img, err)
		}
	})
}

func TestNoSignalIsADarkPictureWithText(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	for _, size := range []image.Point{{1, 1}, {16, 9}, {160, 120}, {640, 480}, {800, 600}, {100, 1000}} {
		jpg, err := picture.NoSignal(size.X, size.Y, "open /dev/video0: no such device; plug it in, the stream goes on by itself", at)
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		img, err := jpeg.Decode(bytes.NewReader(jpg.Borrow()))
		if err != nil || img.Bounds().Size() != size {
			t.Fatalf("%v: %v", size, err)
		}
		light, n := 0, size.X*size.Y
		for y := range size.Y {
			for x := range size.X {
				if r, _, _, _ := img.At(x, y).RGBA(); r > 0x9000 {
					light++
				}
			}
		}
		if size.X >= 160 && (light < n/200 || light > n/4) {
			t.Errorf("%v: %d of %d pixels are light", size, light, n)
		}
		jpg.Release()
	}
	if _, err := picture.NoSignal(0, 0, "", at); !errors.Is(err, frame.ErrSize) {
		t.Errorf("0x0: %v", err)
	}
}
