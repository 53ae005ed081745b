package jfif_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/jpegcheck"
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

// thumbnail puts a whole JPEG into an APP1 segment.
func thumbnail(data, small []byte) []byte {
	n := len(small) + 2
	return bytes.Join([][]byte{data[:2], {0xff, 0xe1, byte(n >> 8), byte(n)}, small, data[2:]}, nil)
}

func TestScannerFindsEachPicture(t *testing.T) {
	a, b := encode(t, 40, 30), encode(t, 400, 300)
	withThumbnail := thumbnail(b, encode(t, 16, 16))
	sos := bytes.LastIndex(withThumbnail, []byte{0xff, 0xda})
	small := bytes.Index(withThumbnail, []byte{0xff, 0xd9}) + 2
	stray := bytes.Join([][]byte{withThumbnail[:small], {1, 2, 3}, withThumbnail[small:]}, nil)
	two := casetest.Read(t, "mpf.jpg")
	index := binary.BigEndian.AppendUint16([]byte("MPF\x00MM\x00*\x00\x00\x00\x08"), 1)
	index = append(index, 0xb0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0)
	mpf := bytes.Join([][]byte{two[:2], {0xff, 0xe2, 0, byte(len(index) + 2)}, index, two[2:]}, nil)
	arithmetic := bytes.Clone(b)
	arithmetic[bytes.Index(arithmetic, []byte{0xff, 0xc0})+1] = 0xc9
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"plain", string(a) + string(b) + string(a), []string{"40x30", "400x300", "40x30"}},
		{"garbage between pictures", "xx\xff" + string(a) + "\xff\xd8\x00 \xff\xff" + string(b) + "\x00\x00", []string{"40x30", "400x300"}},
		{"multipart", "--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(a) + "\r\n--b\r\nContent-Length: 7\r\n\r\n" + string(b) + "\r\n--b--", []string{"40x30", "400x300"}},
		{"thumbnail inside", string(withThumbnail) + string(a), []string{"400x300", "40x30"}},
		{"truncated in the scan, after a thumbnail", string(withThumbnail[:sos+200]) + string(a), []string{"bad", "40x30"}},
		{"truncated in the headers", string(a[:100]) + string(b), []string{"bad", "400x300"}},
		{"no end markers", strings.Repeat(string(b[:len(b)-2]), 3), []string{"400x300", "400x300", "400x300"}},
		{"every second picture without end marker", string(a) + string(b[:len(b)-2]) + string(a) + string(b[:len(b)-2]) + string(a), []string{"40x30", "400x300", "40x30", "400x300", "40x30"}},
		{"no end markers, multipart", "--b\r\n\r\n" + string(a[:len(a)-2]) + "\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(b[:len(b)-2]) + "\r\n--b--", []string{"40x30", "400x300"}},
		{"truncated in the scan, multipart with lengths", "--b\r\nContent-Length: 500\r\n\r\n" + string(b[:500]) + "\r\n--b\r\n\r\n" + string(a), []string{"bad", "40x30"}},
		{
			"every second part truncated in its scan", strings.Repeat("\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n"+string(a)+"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n"+string(b[:len(b)/2]), 3) + "\r\n--b--",
			[]string{"40x30", "bad", "40x30", "bad", "40x30", "bad"},
		},
		{
			"every second part truncated in its headers", strings.Repeat("--b\r\nA: b\r\n\r\n"+string(a)+"\r\n--b\r\nA: b\r\n\r\n"+string(b[:100])+"\r\n", 2) + "--b\r\n\r\n" + string(a),
			[]string{"40x30", "bad", "40x30", "bad", "40x30"},
		},
		{"wrong lengths", "--b\r\nContent-Length: 500\r\n\r\n" + string(b) + "\r\n--b\r\nContent-Length: 99999\r\n\r\n" + string(a) + "\r\n--b\r\n", []string{"400x300", "40x30"}},
		{"truncated in the headers, after a thumbnail", string(withThumbnail[:sos-50]) + string(a), []string{"bad", "40x30"}},
		{"stray bytes after a thumbnail", string(stray) + string(a), []string{"400x300", "40x30"}},
		{"an index of two pictures in one file", string(mpf) + string(a) + string(a), []string{"160x120", "40x30", "40x30"}},
		{"two pictures in one part", "--b\r\n\r\n" + string(two) + "\r\n--b\r\n\r\n" + string(a), []string{"160x120", "40x30"}},
		{"two pictures in one part with its length", fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b\r\nContent-Length: %d\r\n\r\n%s", len(two), two, len(a), a), []string{"160x120", "40x30"}},
		{"two pictures side by side", string(two), []string{"160x120", "64x48"}},
		{"stray bytes after SOI", string(a[:2]) + "\x00\x00\x00" + string(a[2:]) + "\xff\xd8\x00\x00 not this" + string(b), []string{"40x30", "400x300"}},
		{"half an end marker, multipart", "--b\r\n\r\n" + string(a[:len(a)-1]) + "\r\n--b\r\n\r\n" + string(b[:len(b)-1]) + "\r\n--b\r\n\r\n" + string(a), []string{"40x30", "400x300", "40x30"}},
		{"torn in the scan, with its end marker", string(b[:len(b)/2]) + "\xff\x0d\n" + string(b[len(b)-2:]) + string(a), []string{"bad", "40x30"}},
		{"arithmetic coding", string(arithmetic) + string(a), []string{"bad", "40x30"}},
		{"truncated at the end", string(a) + string(b[:len(b)/2]), []string{"40x30", "cut"}},
		{"nothing", "", nil},
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(c.stream)), "with its end": iotest.DataErrReader(strings.NewReader(c.stream))} {
			var got []string
			s := jfif.NewScanner(r)
			for {
				picture, err := s.Next()
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
					config, err := jpeg.DecodeConfig(bytes.NewReader(picture.Data))
					if err != nil || config.Width != picture.Info.Width || len(picture.Data) != picture.Info.Size {
						t.Error(config, picture.Info, err)
					}
					got = append(got, fmt.Sprintf("%dx%d", picture.Info.Width, picture.Info.Height))
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

func TestSwapPreservesThePicture(t *testing.T) {
	a, b := encode(t, 40, 30), encode(t, 700, 500)
	s := jfif.NewScanner(iotest.HalfReader(bytes.NewReader(bytes.Repeat(append(bytes.Clone(a), b...), 20))))
	var kept, memory []byte
	for i := range 40 {
		picture, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if want := [][]byte{b, a}[i%2]; kept != nil && !bytes.Equal(kept, want) {
			t.Fatalf("picture %d changed", i-1)
		}
		kept, memory = picture.Data, s.Swap(memory)
		if want := [][]byte{a, b}[i%2]; !bytes.Equal(kept, want) {
			t.Fatalf("picture %d is not what was sent", i)
		}
	}
}

func TestScannerReturnsReadErrors(t *testing.T) {
	broken := errors.New("cable")
	s := jfif.NewScanner(io.MultiReader(bytes.NewReader(encode(t, 8, 8)), iotest.ErrReader(broken)))
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func FuzzScanner(f *testing.F) {
	good := encode(f, 16, 16)
	f.Add(append(append([]byte("--x\r\n\r\n"), good...), good...), 7)
	f.Add(append(good[:len(good)/2:len(good)/2], good...), 1000)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		s := jfif.NewScanner(&chunks{data, max(1, step)})
		var sizes int
		for {
			picture, err := s.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if errors.Is(err, frame.ErrBadPicture) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if again, err := jpegcheck.Parse(picture.Data); err != nil || again.Width != picture.Info.Width || again.Size != picture.Info.Size {
				t.Fatalf("%+v, then %+v, %v", picture.Info, again, err)
			}
			sizes += len(picture.Data)
		}
		if sizes > len(data) {
			t.Errorf("%d bytes of pictures from %d bytes", sizes, len(data))
		}
	})
}

// Whatever a part's headers are, its picture is found, and the time is plausible.
func FuzzPartHeaders(f *testing.F) {
	good := encode(f, 16, 16)
	f.Add("--b\r\nContent-Type: image/jpeg\r\nX-Timestamp: 1700000000.123456\r\nContent-Length: 99999999999999999999\r\n\r\n", 3)
	f.Add("X-Timestamp: 99999999999999999999.9\n\n", 1)
	f.Add("--b\nX-Timestamp:.\nContent-Length:-1\n\n\n", 1000)
	f.Fuzz(func(t *testing.T, headers string, step int) {
		if strings.Contains(headers, "\xff") || len(headers) > 64<<10 {
			return
		}
		s := jfif.NewScanner(&chunks{append([]byte(headers), good...), max(1, step)})
		picture, err := s.Next()
		if err != nil || !bytes.Equal(picture.Data, good) {
			t.Fatalf("%d bytes, %v", len(picture.Data), err)
		}
		if at := picture.Stamp; !at.IsZero() && (at.Unix() < 0 || at.Year() > 9999) {
			t.Errorf("taken at %v", at)
		}
	})
}

// chunks reads at most step bytes at a time.
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

func TestCaptureTimeFromPartHeaders(t *testing.T) {
	a := string(encode(t, 40, 30))
	for headers, want := range map[string]string{
		"--b\r\nX-Timestamp: 1700000000.123456\r\n\r\n":                                   "1700000000.123456000",
		"\r\n--b\r\nContent-Type: image/jpeg\r\nx-timestamp:1700000000.5\r\nA: b\r\n\r\n": "1700000000.500000000",
		"--b\nX-Timestamp: 1700000000\n\n":                                                "1700000000.000000000",
		"--b\r\nX-Timestamp: 1700000000.123456\r\n\r\nbody\r\n--b\r\nA: b\r\n\r\n":        "",
		"--b\r\nX-Timestamp: yesterday\r\n\r\n":                                           "",
		"--b\r\nX-Timestamp: 99999999999999999999999999999\r\n\r\n":                       "",
		"--b\r\nX-Timestamp: 1700000000.12x\r\n\r\n":                                      "",
		"X-Timestamp: 1700000000.123456\r\n":                                              "1700000000.123456000",
		"":                                                                                "",
	} {
		picture, err := jfif.NewScanner(strings.NewReader(headers + a)).Next()
		got := ""
		if !picture.Stamp.IsZero() {
			got = fmt.Sprintf("%d.%09d", picture.Stamp.Unix(), picture.Stamp.Nanosecond())
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", headers, got, err, want)
		}
	}
}
