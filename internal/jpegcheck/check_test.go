package jpegcheck_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/encodertest"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

func whole(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWholePictures(t *testing.T) {
	colour := whole(t, encodertest.Scene(123, 45))
	grey := whole(t, image.NewGray(image.Rect(0, 0, 9, 3)))
	for name, c := range map[string]struct {
		jpg  []byte
		want jpegcheck.Info
	}{
		"colour":         {colour, jpegcheck.Info{Width: 123, Height: 45, Components: 3, Scans: 1, Subsampling: 0x22, Size: len(colour)}},
		"grey":           {grey, jpegcheck.Info{Width: 9, Height: 3, Components: 1, Scans: 1, Subsampling: 0x11, Size: len(grey)}},
		"bytes after it": {append(bytes.Clone(grey), 0, 0, 0xff, 0xd9), jpegcheck.Info{Width: 9, Height: 3, Components: 1, Scans: 1, Subsampling: 0x11, Size: len(grey)}},
		"two in a row":   {append(bytes.Clone(grey), colour...), jpegcheck.Info{Width: 9, Height: 3, Components: 1, Scans: 1, Subsampling: 0x11, Size: len(grey)}},
		"fill bytes":     {append([]byte{0xff, 0xd8, 0xff, 0xff, 0xff}, grey[2:]...), jpegcheck.Info{Width: 9, Height: 3, Components: 1, Scans: 1, Subsampling: 0x11, Size: len(grey) + 3}},
	} {
		if got, err := jpegcheck.Parse(c.jpg); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	jpg := whole(t, encodertest.Scene(40, 24))
	for n := range len(jpg) {
		if _, err := jpegcheck.Parse(jpg[:n]); !errors.Is(err, frame.ErrBadPicture) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(jpg), err)
		}
	}
}

func TestBrokenPicturesAreRefused(t *testing.T) {
	good := whole(t, encodertest.Scene(40, 24))
	sof := bytes.Index(good, []byte{0xff, 0xc0})
	sos := bytes.Index(good, []byte{0xff, 0xda})
	scan := good[sos : len(good)-2]
	change := func(at int, b ...byte) []byte {
		jpg := bytes.Clone(good)
		copy(jpg[at:], b)
		return jpg
	}
	for name, jpg := range map[string][]byte{
		"nothing":               nil,
		"text":                  []byte("not found"),
		"markers only":          {0xff, 0xd8, 0xff, 0xd9},
		"no frame header":       append([]byte{0xff, 0xd8}, good[sos:]...),
		"no scan":               append(bytes.Clone(good[:sos]), 0xff, 0xd9),
		"two frame headers":     append(bytes.Clone(good[:sos]), good[sof:]...),
		"arithmetic coding":     change(sof, 0xff, 0xc9),
		"lossless":              change(sof, 0xff, 0xc3),
		"12 bits":               change(sof+4, 12),
		"no height":             change(sof+5, 0, 0),
		"no width":              change(sof+7, 0, 0),
		"too wide":              change(sof+7, 0xff, 0xff),
		"2 components":          change(sof+9, 2),
		"5 components":          change(sof+9, 5),
		"sampling 0":            change(sof+11, 0x01),
		"sampling 5":            change(sof+11, 0x52),
		"segment too long":      change(sof+2, 0xff, 0xff),
		"segment of 1 byte":     change(sof+2, 0, 1),
		"garbage at a marker":   change(sof, 0x55),
		"SOI in the middle":     change(sof, 0xff, 0xd8),
		"restart in the header": change(sof, 0xff, 0xd0),
		"scan header too long":  change(sos+4, 4),
		"height after the scan": append(bytes.Clone(good[:len(good)-2]), 0xff, 0xdc, 0, 4, 0, 24, 0xff, 0xd9),
		"hundred scans":         append(append(bytes.Clone(good[:sos]), bytes.Repeat(scan, 100)...), 0xff, 0xd9),
	} {
		if info, err := jpegcheck.Parse(jpg); !errors.Is(err, frame.ErrBadPicture) || info != (jpegcheck.Info{}) {
			t.Errorf("%s: %+v, %v; want ErrBadPicture", name, info, err)
		}
	}
}

func TestParseMakesNoGarbage(t *testing.T) {
	jpg := whole(t, encodertest.Scene(64, 64))
	if n := testing.AllocsPerRun(100, func() { _, _ = jpegcheck.Parse(jpg) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole(f, encodertest.Scene(17, 9)))
	f.Add(whole(f, image.NewGray(image.Rect(0, 0, 1, 1))))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := jpegcheck.Parse(data)
		if err != nil {
			if !errors.Is(err, frame.ErrBadPicture) || info != (jpegcheck.Info{}) {
				t.Fatalf("%+v, %v", info, err)
			}
			return
		}
		if frame.CheckSize(info.Width, info.Height) != nil || info.Size < 4 || info.Size > len(data) || info.Scans < 1 ||
			binary.BigEndian.Uint16(data[info.Size-2:]) != 0xffd9 {
			t.Fatalf("accepted %+v", info)
		}
		// What is whole on its own is whole again.
		if again, err := jpegcheck.Parse(data[:info.Size]); err != nil || again != info {
			t.Fatalf("second time: %+v, %v", again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	jpg := whole(b, encodertest.Scene(1280, 720))
	b.SetBytes(int64(len(jpg)))
	for b.Loop() {
		if _, err := jpegcheck.Parse(jpg); err != nil {
			b.Fatal(err)
		}
	}
}
