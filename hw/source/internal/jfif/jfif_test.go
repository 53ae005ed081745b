package jfif_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
)

func encode(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x * 13), uint8(y * 7), uint8(x * y), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// segment finds a marker and returns where it and what follows its segment are.
func segment(t testing.TB, data []byte, marker byte) (from, to int) {
	t.Helper()
	from = bytes.Index(data, []byte{0xff, marker})
	if from < 0 {
		t.Fatalf("no marker %#x", marker)
	}
	return from, from + 2 + int(data[from+2])<<8 + int(data[from+3])
}

func without(t testing.TB, data []byte, marker byte) []byte {
	from, to := segment(t, data, marker)
	return append(append([]byte(nil), data[:from]...), data[to:]...)
}

func with(data []byte, at int, value byte) []byte {
	changed := append([]byte(nil), data...)
	changed[at] = value
	return changed
}

func TestCheckSeesWhatIsBroken(t *testing.T) {
	good := encode(t, 40, 30)
	sof, _ := segment(t, good, 0xc0)
	sos, _ := segment(t, good, 0xda)
	dqt, _ := segment(t, good, 0xdb)
	if h, err := jfif.Check(append(good[:len(good):len(good)], 0, 0, 0)); err != nil || h.Width != 40 || h.Height != 30 || h.Size != len(good) || h.Components != 3 || h.Missing() {
		t.Errorf("padded behind its end: %+v, %v", h, err)
	}
	if _, err := jfif.Check(append([]byte{0xff, 0xd8, 0xff, 0xff}, good[3:]...)); err != nil {
		t.Errorf("fill bytes: %v", err)
	}
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "SOI", nil},
		{"one byte", "SOI", good[:1]},
		{"no SOI", "SOI", good[2:]},
		{"no end", "cut off in its scan", good[:len(good)-2]},
		{"cut in its headers", "past the end", good[:sof+5]},
		{"cut in its scan", "cut off in its scan", good[:len(good)-20]},
		{"two halves", "out of place", append(append([]byte(nil), good[:len(good)-20]...), good...)},
		{"no width", "size 0x30", with(with(good, sof+7, 0), sof+8, 0)},
		{"no height", "size 40x0", with(with(good, sof+5, 0), sof+6, 0)},
		{"too wide", "out of range", with(good, sof+7, 255)},
		{"twelve bits", "12 bits", with(good, sof+4, 12)},
		{"length in pieces", "segment", with(with(good, dqt+2, 0), dqt+3, 1)},
		{"length beyond", "no marker", with(good, dqt+3, good[dqt+3]+1)},
		{"scan header", "scan header", with(good, sos+4, 9)},
		{"frame header", "frame header", with(good, sof+9, 7)},
		{"no frame header", "before its frame header", without(t, good, 0xc0)},
		{"no scan", "without a picture", append(append([]byte(nil), good[:sos]...), 0xff, 0xd9)},
	} {
		if _, err := jfif.Check(c.data); !errors.Is(err, frame.ErrBadPicture) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func TestMissingHuffmanTablesAreTheStandardOnes(t *testing.T) {
	good := encode(t, 64, 48) // Go's encoder uses the tables of the standard
	bare := without(t, good, 0xc4)
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("the decoder does not miss the tables")
	}
	h, err := jfif.Check(bare)
	if err != nil || !h.Missing() {
		t.Fatal(h, err)
	}
	dst := make([]byte, len(good))
	n := jfif.Complete(dst, bare, h)
	got, err := jpeg.Decode(bytes.NewReader(dst[:n]))
	if err != nil {
		t.Fatal(err)
	}
	want, err := jpeg.Decode(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.(*image.YCbCr).Y, want.(*image.YCbCr).Y) {
		t.Error("another picture comes out")
	}
	if jfif.Complete(dst[:len(good)-1], bare, h) != 0 || jfif.Complete(dst[:5], bare, h) != 0 {
		t.Error("written into too small a buffer")
	}
}

// thumbnail puts a whole JPEG into an APP1 segment.
func thumbnail(data, small []byte) []byte {
	n := len(small) + 2
	return bytes.Join([][]byte{data[:2], {0xff, 0xe1, byte(n >> 8), byte(n)}, small, data[2:]}, nil)
}

func TestScannerFindsEachPicture(t *testing.T) {
	a, b := encode(t, 40, 30), encode(t, 400, 300)
	withThumbnail := thumbnail(b, encode(t, 16, 16))
	sos := bytes.LastIndex(withThumbnail, []byte{0xff, 0xda})
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"plain", string(a) + string(b) + string(a), []string{"40x30", "400x300", "40x30"}},
		{"garbage between", "xx\xff" + string(a) + "\xff\xd8\x00 \xff\xff" + string(b) + "\x00\x00", []string{"40x30", "400x300"}},
		{"multipart", "--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(a) + "\r\n--b\r\nContent-Length: 7\r\n\r\n" + string(b) + "\r\n--b--", []string{"40x30", "400x300"}},
		{"thumbnail inside", string(withThumbnail) + string(a), []string{"400x300", "40x30"}},
		{"cut in the scan, thumbnail before", string(withThumbnail[:sos+200]) + string(a), []string{"bad", "40x30"}},
		{"cut in the headers", string(a[:100]) + string(b), []string{"bad", "400x300"}},
		{"ends inside", string(a) + string(b[:len(b)/2]), []string{"40x30", "cut"}},
		{"nothing", "", nil},
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(c.stream)), "with its end": iotest.DataErrReader(strings.NewReader(c.stream))} {
			var got []string
			s := jfif.NewScanner(r)
			for {
				data, h, err := s.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				switch {
				case errors.Is(err, frame.ErrBadPicture):
					got = append(got, "bad")
				case errors.Is(err, io.ErrUnexpectedEOF):
					got = append(got, "cut")
				case err != nil:
					t.Fatal(err)
				default:
					config, err := jpeg.DecodeConfig(bytes.NewReader(data))
					if err != nil || config.Width != h.Width || len(data) != h.Size {
						t.Error(config, h, err)
					}
					got = append(got, map[int]string{40: "40x30", 400: "400x300"}[h.Width])
				}
				if len(got) > 10 {
					t.Fatal("no end")
				}
			}
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("%s, %s: got %q, want %q", c.name, how, got, c.want)
			}
		}
	}
}

func TestScannerReportsItsReadersError(t *testing.T) {
	broken := errors.New("cable")
	s := jfif.NewScanner(io.MultiReader(bytes.NewReader(encode(t, 8, 8)), iotest.ErrReader(broken)))
	if _, _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func FuzzCheck(f *testing.F) {
	good := encode(f, 16, 16)
	f.Add(good)
	f.Add(without(f, good, 0xc4))
	f.Add(thumbnail(good, good))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xda, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := jfif.Check(data)
		if err != nil {
			if !errors.Is(err, frame.ErrBadPicture) {
				t.Error(err)
			}
			return
		}
		if h.Size > len(data) || h.Width < 1 || h.Height < 1 || data[h.Size-1] != 0xd9 {
			t.Errorf("%+v", h)
		}
		dst := make([]byte, h.Size+len(jfif.StandardTables))
		n := jfif.Complete(dst, data, h)
		again, err := jfif.Check(dst[:n])
		if err != nil || again.Missing() || again.Width != h.Width || again.Size != n {
			t.Errorf("completed: %+v, %v", again, err)
		}
	})
}

func FuzzScanner(f *testing.F) {
	good := encode(f, 16, 16)
	f.Add(append(append([]byte("--x\r\n\r\n"), good...), good...), 7)
	f.Add(append(good[:len(good)/2:len(good)/2], good...), 1000)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		s := jfif.NewScanner(&chunks{data, max(1, step)})
		var sizes int
		for {
			picture, h, err := s.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if errors.Is(err, frame.ErrBadPicture) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if again, err := jfif.Check(picture); err != nil || again != h {
				t.Fatalf("%+v, then %+v, %v", h, again, err)
			}
			sizes += len(picture)
		}
		if sizes > len(data) {
			t.Errorf("%d bytes of pictures out of %d", sizes, len(data))
		}
	})
}

// chunks reads at most step bytes at once.
type chunks struct {
	data []byte
	step int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.data)
	c.data = c.data[n:]
	return n, nil
}

func BenchmarkCheck(b *testing.B) {
	data := encode(b, 1280, 720)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jfif.Check(data); err != nil {
			b.Fatal(err)
		}
	}
}
