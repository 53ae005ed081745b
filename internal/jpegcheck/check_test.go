package jpegcheck_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/casetest"
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
		got, err := jpegcheck.Parse(c.jpg)
		if err != nil || got.Width != c.want.Width || got.Height != c.want.Height || got.Components != c.want.Components || got.Scans != c.want.Scans ||
			got.Subsampling != c.want.Subsampling || got.Size != c.want.Size || got.Orientation != 1 || got.Images != 1 || !got.Whole() {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestPicturesThatBrowsersShowAreAccepted(t *testing.T) {
	for _, c := range casetest.Shown(t) {
		info, err := jpegcheck.Parse(c.Data)
		if err != nil || info.Width != c.Width || info.Height != c.Height || info.Whole() != c.Strict {
			t.Errorf("%s: %+v, whole %v, %v", c.Name, info, info.Whole(), err)
			continue
		}
		if want := strings.HasPrefix(c.Name, "orientation"); want != (info.Orientation == 6) {
			t.Errorf("%s: orientation %d", c.Name, info.Orientation)
		}
		whole := jpegcheck.Completed(c.Data, &info)
		again, err := jpegcheck.Parse(whole)
		if err != nil || !again.Whole() || again.Size != len(whole) || again.Width != c.Width || again.Orientation != info.Orientation {
			t.Errorf("%s, completed: %+v, %v", c.Name, again, err)
		}
		if c.Huge || info.Subsampling == 0 {
			continue
		}
		if _, err := jpeg.Decode(bytes.NewReader(whole)); err != nil {
			t.Errorf("%s, completed: %v", c.Name, err)
		}
		for room := range info.CompleteSize() { // never written past the end
			dst := make([]byte, room, room+1)
			if n := jpegcheck.Complete(dst, c.Data, &info); n > room || n > 0 && n != len(whole) {
				t.Fatalf("%s: %d bytes into %d", c.Name, n, room)
			}
		}
	}
}

// A scan's end is found by following its codes, which distinguishes a picture without its end marker from a truncated one.
func TestScanEndWithoutEOI(t *testing.T) {
	pictures := map[string][]byte{"colour": whole(t, encodertest.Scene(123, 45)), "grey": whole(t, image.NewGray(image.Rect(0, 0, 90, 33)))}
	pictures["sampling 2x2, 1x1, 1x2"] = casetest.Read(t, "odd1.jpg")
	for _, name := range []string{"422-restart.jpg", "one-table-restart.jpg"} {
		jpg, err := os.ReadFile("../../server/rtsp/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		pictures[name] = jpg
	}
	for name, jpg := range pictures {
		open := jpg[:len(jpg)-2]
		for what, behind := range map[string]string{"": "", "another picture": string(jpg), "a boundary": "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" + string(jpg), "zeros": "\x00\x00\x00"} {
			info, err := jpegcheck.Parse(append(bytes.Clone(open), behind...))
			if err != nil || info.Size != len(open) || info.Whole() {
				t.Errorf("%s, then %q: %+v, %v; want %d bytes", name, what, info, err, len(open))
			}
		}
		for _, n := range []int{1, 2, 10, len(open) / 3} {
			if info, err := jpegcheck.Parse(open[:len(open)-n]); err == nil || !strings.Contains(err.Error(), "cut off") {
				t.Errorf("%s, cut off by %d bytes: %+v, %v", name, n, info, err)
			}
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	good := whole(t, encodertest.Scene(40, 24))
	at := func(marker byte) int { return bytes.Index(good, []byte{0xff, marker}) }
	change := func(at int, b ...byte) []byte {
		jpg := bytes.Clone(good)
		copy(jpg[at:], b)
		return jpg
	}
	sof, sos := at(0xc0), at(0xda)
	for want, jpg := range map[string][]byte{
		"JPEG is empty":                              {},
		"JPEG is expected, but this is PNG":          []byte("\x89PNG\r\n\x1a\n----"),
		"JPEG is expected, but this is H.264":        {0, 0, 0, 1, 0x67, 0x42, 0, 0x1e},
		"JPEG uses arithmetic coding":                change(sof, 0xff, 0xc9),
		"JPEG is lossless JPEG":                      change(sof, 0xff, 0xc3),
		"JPEG is JPEG-LS":                            change(sof, 0xff, 0xf7),
		"JPEG is hierarchical":                       change(sof, 0xff, 0xc5),
		"JPEG has 12 bits a sample":                  change(sof+4, 12),
		"JPEG has no Huffman table 2 for its DC":     change(sos+8, 0x22),
		"JPEG has no quantization table 3":           change(sof+12, 3),
		"JPEG is cut off in its scan data (690 byte": good[:690],
		"JPEG is cut off in its headers (100 bytes)": good[:100],
		"JPEG has no size (40x0)":                    change(sof+5, 0, 0),
		"JPEG has a frame header of 15 bytes":        change(sof+9, 2),
		"JPEG has its height after its scan (DNL)":   append(bytes.Clone(good[:len(good)-2]), 0xff, 0xdc, 0, 4, 0, 24, 0xff, 0xd9),
		"JPEG ends without a picture":                append(bytes.Clone(good[:sos]), 0xff, 0xd9),
	} {
		if _, err := jpegcheck.Parse(jpg); !errors.Is(err, frame.ErrBadPicture) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	jpg := whole(t, encodertest.Scene(40, 24))
	for n := range len(jpg) - 2 {
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

func TestMissingHuffmanTablesAreTheStandardOnes(t *testing.T) {
	good := whole(t, encodertest.Scene(64, 48)) // Go's encoder uses the tables of the standard
	bare := bytes.Clone(good)
	for i := bytes.Index(bare, []byte{0xff, 0xc4}); i >= 0; i = bytes.Index(bare, []byte{0xff, 0xc4}) {
		bare = append(bare[:i], bare[i+2+int(bare[i+2])<<8+int(bare[i+3]):]...)
	}
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("the decoder does not need the tables")
	}
	h, err := jpegcheck.Parse(bare)
	if err != nil || h.Whole() {
		t.Fatal(h, err)
	}
	dst := make([]byte, len(good))
	n := jpegcheck.Complete(dst, bare, &h)
	got, err := jpeg.Decode(bytes.NewReader(dst[:n]))
	if err != nil {
		t.Fatal(err)
	}
	want, err := jpeg.Decode(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.(*image.YCbCr).Y, want.(*image.YCbCr).Y) {
		t.Error("the decoded picture differs")
	}
	if jpegcheck.Complete(dst[:len(good)-1], bare, &h) != 0 || jpegcheck.Complete(dst[:5], bare, &h) != 0 {
		t.Error("written into too small a buffer")
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	jpg := whole(t, encodertest.Scene(64, 64))
	if n := testing.AllocsPerRun(100, func() { _, _ = jpegcheck.Parse(jpg) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole(f, encodertest.Scene(17, 9)))
	f.Add(whole(f, image.NewGray(image.Rect(0, 0, 1, 1))))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xff, 0xff})
	for _, c := range casetest.Shown(f) {
		f.Add(c.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := jpegcheck.Parse(data)
		if err != nil {
			if !errors.Is(err, frame.ErrBadPicture) || info != (jpegcheck.Info{}) {
				t.Fatalf("%+v, %v", info, err)
			}
			return
		}
		if info.Width < 1 || info.Height < 1 || info.Size < 4 || info.Size > len(data) || info.Scans < 1 ||
			info.Whole() && binary.BigEndian.Uint16(data[info.Size-2:]) != 0xffd9 {
			t.Fatalf("accepted %+v", info)
		}
		// What is usable on its own stays usable, and is whole once completed.
		if again, err := jpegcheck.Parse(data[:info.Size]); err != nil || again != info {
			t.Fatalf("second time: %+v, %v", again, err)
		}
		done := jpegcheck.Completed(data, &info)
		if again, err := jpegcheck.Parse(done); err != nil || !again.Whole() || again.Size != len(done) || again.Width != info.Width || len(done) > info.CompleteSize() {
			t.Fatalf("completed: %+v, %v", again, err)
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
