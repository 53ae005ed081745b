//go:build linux && cgo

package sg2002

import (
	"context"
	"errors"
	"image"
	"image/color"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// quarters returns a program's picture: red, green, blue and white quarters.
func quarters(t testing.TB, format frame.Format, width, height int) *frame.Frame {
	t.Helper()
	f, err := frame.Alloc(format, width, height)
	if err != nil {
		t.Fatal(err)
	}
	for y := range height {
		for x := range width {
			c := quarter(x, y, width, height)
			if format == frame.RGB {
				copy(f.Planes[0][y*f.Strides[0]+3*x:], []byte{c.R, c.G, c.B})
				continue
			}
			l, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			f.Planes[0][y*f.Strides[0]+x] = l
			at := y/2*f.Strides[1] + x/2*2
			f.Planes[1][at], f.Planes[1][at+1] = cr, cb
		}
	}
	return f
}

func quarter(x, y, width, height int) color.RGBA {
	return [...]color.RGBA{{220, 30, 30, 255}, {30, 220, 30, 255}, {30, 30, 220, 255}, {255, 255, 255, 255}}[x*2/width+y*2/height*2]
}

func checkQuarters(t testing.TB, picture image.Image, width, height int) {
	t.Helper()
	if size := picture.Bounds().Size(); size != image.Pt(width, height) {
		t.Fatalf("picture of %v, want %dx%d", size, width, height)
	}
	for _, p := range []image.Point{{0, 0}, {width / 4, height / 4}, {width - 1, 0}, {width * 3 / 4, height / 4}, {0, height - 1}, {width / 4, height * 3 / 4}, {width - 1, height - 1}} {
		want := quarter(p.X, p.Y, width, height)
		r, g, b, _ := picture.At(p.X, p.Y).RGBA()
		if distance(uint8(r>>8), want.R) > 12 || distance(uint8(g>>8), want.G) > 12 || distance(uint8(b>>8), want.B) > 12 {
			t.Errorf("pixel %v is %d,%d,%d, want %v", p, r>>8, g>>8, b>>8, want)
		}
	}
}

// TestProgramPictures: the hardware encoder encodes a program's pictures beside the stream, also at sizes that are no multiple of its blocks.
func TestProgramPictures(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 60, Width: 320, Height: 240})
		encoder := camera.Encoder()
		dst := make([]byte, 1<<20)
		sizes := []frame.Size{{Width: 402, Height: 302}, {Width: 1920, Height: 1080}, {Width: 320, Height: 200}}
		if testing.Short() {
			sizes = []frame.Size{{Width: 402, Height: 302}, {Width: 320, Height: 200}}
		}
		for _, size := range sizes {
			if err := camera.Resize(size.Width, size.Height); err != nil {
				b.Fatal(err)
			}
			for _, format := range []frame.Format{frame.NV21, frame.RGB} {
				for _, quality := range []int{95, 100, 50} {
					n, err := encoder.Encode(dst, quarters(b, format, size.Width, size.Height), quality)
					if err != nil {
						b.Fatalf("%s %v: %v", format, size, err)
					}
					checkQuarters(b, decode(b, dst[:n]), size.Width, size.Height)
					if got := luminanceTable(b, dst[:n]); got != scaledTable(realQuality(quality)) {
						b.Errorf("%s quality %d: table %d, want %d", format, quality, got, scaledTable(realQuality(quality)))
					}
				}
			}
			b.read(camera)
		}
		width, height := 320, 200
		first, err := encoder.Encode(dst, quarters(b, frame.RGB, width, height), 80)
		if err != nil {
			b.Fatal(err)
		}
		again := make([]byte, 1<<20)
		if n, err := encoder.Encode(again, quarters(b, frame.RGB, width, height), 80); err != nil || string(again[:n]) != string(dst[:first]) {
			b.Errorf("the same picture is encoded differently: %v", err)
		}
		for what, f := range map[string]*frame.Frame{"size": quarters(b, frame.RGB, 322, 240), "format": {Format: frame.YUYV, Width: width, Height: height}} {
			if _, err := encoder.Encode(dst, f, 80); !errors.Is(err, frame.ErrUnsupported) {
				b.Errorf("another %s: %v", what, err)
			}
		}
		if _, err := encoder.Encode(dst[:100], quarters(b, frame.RGB, width, height), 80); !errors.Is(err, frame.ErrTooLarge) {
			b.Errorf("into 100 bytes: %v", err)
		}
		if _, err := encoder.Encode(nil, quarters(b, frame.RGB, width, height), 80); !errors.Is(err, frame.ErrTooLarge) {
			b.Errorf("into nothing: %v", err)
		}
		if _, err := encoder.Encode(dst, quarters(b, frame.RGB, width, height), 0); err == nil {
			b.Error("quality 0 is accepted")
		}
		broken := quarters(b, frame.NV21, width, height)
		broken.Planes[1] = broken.Planes[1][:100]
		if _, err := encoder.Encode(dst, broken, 80); err == nil {
			b.Error("a frame with too few bytes is accepted")
		}
		if err := encoder.Close(); err != nil {
			b.Error(err)
		}
		b.read(camera)
		b.close(camera)
		if _, err := encoder.Encode(dst, quarters(b, frame.RGB, width, height), 80); !errors.Is(err, frame.ErrGone) {
			b.Errorf("after Close: %v", err)
		}
	})
}

// TestRawFrames: a program reads frames, encodes them by handle untouched, maps them, and draws on them.
func TestRawFrames(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 60, Width: 640, Height: 360})
		raw, encoder := camera.Raw(), camera.Encoder()
		v := view{sensor: image.Pt(1280, 720), fit: "stretch", width: 640, height: 360}
		ctx, cancel := context.WithTimeout(b.Context(), within)
		defer cancel()
		dst := make([]byte, 1<<20)
		get := func() *frame.Frame {
			f := new(frame.Frame)
			if err := raw.ReadFrame(ctx, f); err != nil {
				b.Fatal(err)
			}
			if f.Format != frame.NV21 || f.Width != 640 || f.Height != 360 || f.Handle == 0 || f.Planes[0] != nil {
				b.Fatalf("frame: %+v", f)
			}
			return f
		}
		for range 5 {
			f := get()
			if err := raw.ReadFrame(ctx, new(frame.Frame)); err == nil {
				b.Error("a second frame is returned before the first was released")
			}
			n, err := encoder.Encode(dst, f, 80)
			if err != nil {
				b.Fatal(err)
			}
			v.check(b, decode(b, dst[:n]), false)
			f.Release()
			f.Release()
		}
		if n := b.Counter("raw.touched"); n != 0 {
			b.Errorf("%d raw bytes touched by handles alone", n)
		}
		// The pixels of a mapped frame match its encoded picture; a drawing on it shows in the picture.
		f := get()
		if err := f.Map(); err != nil {
			b.Fatal(err)
		}
		if err := f.Check(); err != nil {
			b.Fatal(err)
		}
		mapped := &image.YCbCr{
			Y: f.Planes[0], Cb: make([]byte, 320*180), Cr: make([]byte, 320*180), SubsampleRatio: image.YCbCrSubsampleRatio420,
			YStride: f.Strides[0], CStride: 320, Rect: image.Rect(0, 0, 640, 360),
		}
		for y := range 180 {
			for x := range 320 {
				mapped.Cr[y*320+x], mapped.Cb[y*320+x] = f.Planes[1][y*f.Strides[1]+2*x], f.Planes[1][y*f.Strides[1]+2*x+1]
			}
		}
		v.check(b, mapped, false)
		want := v.number(b, mapped)
		for y := 300; y < 340; y++ {
			for x := 300; x < 340; x++ {
				f.Planes[0][y*f.Strides[0]+x] = 255
			}
		}
		if err := f.Flush(); err != nil {
			b.Fatal(err)
		}
		n, err := encoder.Encode(dst, f, 80)
		if err != nil {
			b.Fatal(err)
		}
		picture := decode(b, dst[:n])
		if got := v.number(b, picture); got != want {
			b.Errorf("the picture is of frame %d, the pixels of frame %d", got, want)
		}
		if l := luma(picture.At(320, 320)); l < 240 {
			b.Errorf("the drawing is not in the picture: luma %d", l)
		}
		f.Release()
		if err := f.Map(); err == nil {
			b.Error("a released frame can be mapped")
		}
		// While a frame is out its memory stays valid; closing the camera frees it nevertheless.
		f = get()
		if err := camera.Resize(800, 600); !errors.Is(err, errFrameInUse) {
			b.Errorf("resized while a frame is out: %v", err)
		}
		f.Release()
		if err := camera.Resize(800, 600); err != nil {
			b.Error(err)
		}
		last := new(frame.Frame)
		if err := raw.ReadFrame(ctx, last); err != nil || last.Width != 800 {
			b.Errorf("after the change: %+v, %v", last, err)
		}
		b.close(camera)
		last.Release()
	})
}

// TestRawFramesBound: with path bound, where the hardware passes frames to the encoder, programs get none.
func TestRawFramesBound(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{Path: "bound"})
		if err := camera.Raw().ReadFrame(b.Context(), new(frame.Frame)); !errors.Is(err, frame.ErrUnsupported) {
			b.Errorf("raw frames: %v", err)
		}
		if _, err := camera.Encoder().Encode(pictureMemory, quarters(b, frame.RGB, 640, 480), 80); !errors.Is(err, frame.ErrUnsupported) {
			b.Errorf("a program's picture: %v", err)
		}
		b.close(camera)
	})
}
