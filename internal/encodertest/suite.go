// Package encodertest is the one suite that every JPEG encoder of the module passes, software or hardware.
package encodertest

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"runtime"
	"sync"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// Options says what an encoder is held to. The zero value asks for everything.
type Options struct {
	Formats   []frame.Format // nil: all raw formats
	Sizes     []frame.Size   // nil: odd ones, 1x1, those around a block's edge, 1080p
	MinPSNR   float64        // of the suite's scene at quality 90, in dB; 0: 30 (4:2:0 costs most of it)
	Allocates bool           // makes garbage: the check for allocations is left out
	NoQuality bool           // the size does not rise with quality in an encoder that is a fake
	// Frame makes a frame for encoders that take only their own; nil: frames in Go memory.
	Frame func(t testing.TB, img *image.RGBA, format frame.Format, fill byte) *frame.Frame
}

var allFormats = []frame.Format{frame.YUV420, frame.NV21, frame.NV12, frame.YUV422, frame.YUYV, frame.Grey, frame.RGB, frame.BGR, frame.RGBA}

var oddSizes = []frame.Size{
	{Width: 1, Height: 1},
	{Width: 2, Height: 1},
	{Width: 1, Height: 17},
	{Width: 7, Height: 9},
	{Width: 8, Height: 8},
	{Width: 15, Height: 16},
	{Width: 16, Height: 16},
	{Width: 17, Height: 15},
	{Width: 33, Height: 31},
	{Width: 100, Height: 75},
	{Width: 321, Height: 241},
	{Width: 328, Height: 184},
	{Width: 640, Height: 360},
}

// Run holds the encoders that open makes to the contract of frame.Encoder.
func Run(t *testing.T, open func(t testing.TB) frame.Encoder, o Options) {
	if o.Formats == nil {
		o.Formats = allFormats
	}
	if o.Sizes == nil {
		o.Sizes = oddSizes
	}
	if o.MinPSNR == 0 {
		o.MinPSNR = 30
	}
	if o.Frame == nil {
		o.Frame = FromImage
	}
	s := &suite{o, open}
	t.Run("decodes to the same picture", s.samePicture)
	t.Run("stray bytes around the picture do not matter", s.strayBytes)
	t.Run("1080 rows, no multiple of 16", s.rows1080)
	t.Run("a buffer too small is refused and not overrun", s.tooSmall)
	t.Run("a frame whose planes do not fit is refused", s.badFrames)
	t.Run("quality", s.quality)
	t.Run("several encoders at once", s.concurrent)
	t.Run("one encoder, changing pictures", s.changing)
	t.Run("no garbage", s.allocations)
	t.Run("close twice", s.closeTwice)
}

type suite struct {
	o    Options
	open func(t testing.TB) frame.Encoder
}

func (s *suite) opened(t testing.TB) frame.Encoder {
	t.Helper()
	e := s.open(t)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func encode(t testing.TB, e frame.Encoder, f *frame.Frame, quality int) []byte {
	t.Helper()
	dst := make([]byte, frame.MaxJPEGSize(f.Width, f.Height))
	n, err := e.Encode(dst, f, quality)
	if err != nil {
		t.Fatalf("encode %s %dx%d: %v", f.Format, f.Width, f.Height, err)
	}
	return dst[:n]
}

// checkJPEG decodes with the standard library, which shares nothing with the encoders under test.
func checkJPEG(t testing.TB, jpg []byte, f *frame.Frame) image.Image {
	t.Helper()
	if len(jpg) < 20 || !bytes.HasPrefix(jpg, []byte{0xff, 0xd8, 0xff, 0xe0}) || string(jpg[6:11]) != "JFIF\x00" {
		t.Fatalf("%s %dx%d: does not begin with a JFIF header: % x", f.Format, f.Width, f.Height, jpg[:min(len(jpg), 20)])
	}
	if !bytes.HasSuffix(jpg, []byte{0xff, 0xd9}) {
		t.Fatalf("%s %dx%d: does not end with EOI", f.Format, f.Width, f.Height)
	}
	img, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		t.Fatalf("%s %dx%d: decode: %v", f.Format, f.Width, f.Height, err)
	}
	if img.Bounds().Dx() != f.Width || img.Bounds().Dy() != f.Height {
		t.Fatalf("%s %dx%d: decoded to %v", f.Format, f.Width, f.Height, img.Bounds())
	}
	switch img := img.(type) {
	case *image.Gray:
		if f.Format != frame.Grey {
			t.Fatalf("%s became grey", f.Format)
		}
	case *image.YCbCr:
		if f.Format == frame.Grey || img.SubsampleRatio != image.YCbCrSubsampleRatio420 {
			t.Fatalf("%s became YCbCr %v", f.Format, img.SubsampleRatio)
		}
	default:
		t.Fatalf("%s became %T", f.Format, img)
	}
	return img
}

func (s *suite) samePicture(t *testing.T) {
	e := s.opened(t)
	for _, size := range s.o.Sizes {
		scene := Scene(size.Width, size.Height)
		for _, format := range s.o.Formats {
			f := s.o.Frame(t, scene, format, 0)
			got := checkJPEG(t, encode(t, e, f, 90), f)
			if db := PSNR(scene, got); db < s.o.MinPSNR {
				t.Errorf("%s %dx%d: %.1f dB, want at least %.1f", format, size.Width, size.Height, db, s.o.MinPSNR)
			}
			f.Release()
		}
	}
}

func (s *suite) strayBytes(t *testing.T) {
	e := s.opened(t)
	for _, size := range s.o.Sizes {
		scene := Scene(size.Width, size.Height)
		for _, format := range s.o.Formats {
			var first []byte
			for _, fill := range []byte{0, 255, 93} {
				f := s.o.Frame(t, scene, format, fill)
				f.Padded = fill != 93 // both ways of padding
				jpg := encode(t, e, f, 80)
				f.Release()
				if first == nil {
					first = jpg
				} else if !bytes.Equal(first, jpg) {
					t.Errorf("%s %dx%d: other bytes with padding of %d", format, size.Width, size.Height, fill)
				}
			}
		}
	}
}

func (s *suite) rows1080(t *testing.T) {
	e := s.opened(t)
	scene := Scene(240, 1080)
	f := s.o.Frame(t, scene, s.o.Formats[0], 0)
	defer f.Release()
	jpg := encode(t, e, f, 80)
	if db := PSNR(scene, checkJPEG(t, jpg, f)); db < s.o.MinPSNR-3 {
		t.Errorf("%.1f dB", db)
	}
	g := s.o.Frame(t, scene, s.o.Formats[0], 255)
	defer g.Release()
	if !bytes.Equal(jpg, encode(t, e, g, 80)) {
		t.Error("other bytes with other padding")
	}
}

func (s *suite) tooSmall(t *testing.T) {
	e := s.opened(t)
	const guard = 64
	for _, format := range s.o.Formats {
		f := s.o.Frame(t, Scene(160, 112), format, 0)
		whole := encode(t, e, f, 80)
		for _, size := range []int{0, 1, 2, 19, 100, 622, 700, len(whole) / 2, len(whole) - 3, len(whole) - 1} {
			buf := bytes.Repeat([]byte{0xa5}, size+guard)
			n, err := e.Encode(buf[:size:size], f, 80)
			if !errors.Is(err, frame.ErrTooLarge) || n != 0 {
				t.Errorf("%s into %d of %d bytes: %d, %v; want ErrTooLarge", format, size, len(whole), n, err)
			}
			if !bytes.Equal(buf[size:], bytes.Repeat([]byte{0xa5}, guard)) {
				t.Fatalf("%s into %d bytes: wrote behind the buffer", format, size)
			}
		}
		// The exact size suffices, and a failure leaves nothing behind.
		exact := bytes.Repeat([]byte{0xa5}, len(whole)+guard)
		n, err := e.Encode(exact[:len(whole):len(whole)], f, 80)
		if err != nil || !bytes.Equal(exact[:n], whole) {
			t.Errorf("%s into exactly %d bytes: %d, %v", format, len(whole), n, err)
		}
		if !bytes.Equal(exact[len(whole):], bytes.Repeat([]byte{0xa5}, guard)) {
			t.Fatalf("%s: wrote behind the buffer", format)
		}
		f.Release()
	}
}

func (s *suite) badFrames(t *testing.T) {
	e := s.opened(t)
	dst := make([]byte, frame.MaxJPEGSize(64, 48))
	for _, format := range s.o.Formats {
		for name, spoil := range map[string]func(f *frame.Frame){
			"short plane":    func(f *frame.Frame) { p := format.Planes() - 1; f.Planes[p] = f.Planes[p][:len(f.Planes[p])/2] },
			"stride too low": func(f *frame.Frame) { f.Strides[0] = 5 },
			"negative":       func(f *frame.Frame) { f.Strides[0] = -f.Strides[0] },
			"no width":       func(f *frame.Frame) { f.Width = 0 },
			"huge":           func(f *frame.Frame) { f.Height = frame.MaxDimension + 1 },
			"other height":   func(f *frame.Frame) { f.Height = 4000 },
			"no format":      func(f *frame.Frame) { f.Format = frame.Unknown },
			"wild format":    func(f *frame.Frame) { f.Format = 200 },
		} {
			f := FromImage(t, Scene(64, 48), format, 0)
			spoil(f)
			if n, err := e.Encode(dst, f, 80); err == nil || n != 0 {
				t.Errorf("%s, %s: %d, %v; want an error", format, name, n, err)
			}
		}
	}
	released := &frame.Frame{Format: s.o.Formats[0], Width: 64, Height: 48, Strides: [3]int{64, 32, 32}}
	if _, err := e.Encode(dst, released, 80); err == nil {
		t.Error("a released frame was encoded")
	}
}

func (s *suite) quality(t *testing.T) {
	e := s.opened(t)
	f := s.o.Frame(t, Scene(320, 240), s.o.Formats[0], 0)
	defer f.Release()
	for _, q := range []int{-1, 0, 101, 1 << 20} {
		var refused *frame.QualityError
		if _, err := e.Encode(make([]byte, frame.MaxJPEGSize(320, 240)), f, q); !errors.As(err, &refused) {
			t.Errorf("quality %d: %v; want a QualityError", q, err)
		}
	}
	last := 0
	for _, q := range []int{1, 20, 50, 80, 90, 96, 100} {
		jpg := encode(t, e, f, q)
		checkJPEG(t, jpg, f)
		if len(jpg) <= last && !s.o.NoQuality {
			t.Errorf("quality %d: %d bytes, no more than the quality before it", q, len(jpg))
		}
		last = len(jpg)
	}
}

// concurrent is what pixiv/go-libjpeg's issue 58 reports a crash for.
func (s *suite) concurrent(t *testing.T) {
	scene := Scene(160, 120)
	var wg sync.WaitGroup
	want := make([][]byte, len(s.o.Formats))
	one := s.opened(t)
	for i, format := range s.o.Formats {
		f := s.o.Frame(t, scene, format, 0)
		want[i] = encode(t, one, f, 75)
		f.Release()
	}
	for range 4 {
		e := s.opened(t)
		wg.Go(func() {
			dst := make([]byte, frame.MaxJPEGSize(160, 120))
			for range 10 {
				for i, format := range s.o.Formats {
					f := s.o.Frame(t, scene, format, 0)
					n, err := e.Encode(dst, f, 75)
					f.Release()
					if err != nil || !bytes.Equal(dst[:n], want[i]) {
						t.Errorf("%s: other bytes (%v)", format, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func (s *suite) changing(t *testing.T) {
	e := s.opened(t)
	for round := range 2 {
		for _, size := range []frame.Size{{Width: 64, Height: 64}, {Width: 320, Height: 200}, {Width: 31, Height: 9}} {
			for _, format := range s.o.Formats {
				for _, q := range []int{30, 98} {
					f := s.o.Frame(t, Scene(size.Width, size.Height), format, byte(round))
					fresh := s.open(t)
					if !bytes.Equal(encode(t, e, f, q), encode(t, fresh, f, q)) {
						t.Errorf("%s %dx%d quality %d: a used encoder gives other bytes than a new one", format, size.Width, size.Height, q)
					}
					if err := fresh.Close(); err != nil {
						t.Error(err)
					}
					f.Release()
				}
			}
		}
	}
}

func (s *suite) allocations(t *testing.T) {
	if s.o.Allocates {
		t.Skip("this encoder makes garbage by design")
	}
	e := s.opened(t)
	for _, format := range s.o.Formats {
		f := s.o.Frame(t, Scene(100, 60), format, 0)
		dst := make([]byte, frame.MaxJPEGSize(100, 60))
		if n := testing.AllocsPerRun(100, func() {
			if _, err := e.Encode(dst, f, 80); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", format, n)
		}
		runtime.KeepAlive(f)
	}
}

func (s *suite) closeTwice(t *testing.T) {
	e := s.open(t)
	for range 2 {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	f := s.o.Frame(t, Scene(16, 16), s.o.Formats[0], 0)
	defer f.Release()
	if _, err := e.Encode(make([]byte, 4096), f, 80); err == nil {
		t.Error("a closed encoder encodes")
	}
	if e.Name() == "" {
		t.Error("an encoder has a name")
	}
}
