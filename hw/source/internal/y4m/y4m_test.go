package y4m_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
)

func file(t testing.TB, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.y4m")
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, data string, c y4m.Config) *y4m.Source {
	t.Helper()
	if c.FPS == 0 {
		c.FPS = math.Inf(1)
	}
	s, err := y4m.Open(file(t, data), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t testing.TB, s *y4m.Source) *frame.Frame {
	t.Helper()
	var f frame.Frame
	if err := s.ReadFrame(context.Background(), &f); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	return &f
}

// plane returns a plane's samples without padding.
func plane(f *frame.Frame, i int) []byte {
	var out []byte
	rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
	for y := range rows {
		out = append(out, f.Planes[i][y*f.Strides[i]:][:rowBytes]...)
	}
	return out
}

func TestEachColourSpace(t *testing.T) {
	const full = " XCOLORRANGE=FULL"
	for _, c := range []struct {
		header, frame string // 3x3
		format        frame.Format
		planes        []string
	}{
		{"C420jpeg" + full, "abcdefghi" + "ABCD" + "WXYZ", frame.YUV420, []string{"abcdefghi", "ABCD", "WXYZ"}},
		{"C420mpeg2" + full, "abcdefghi" + "ABCD" + "WXYZ", frame.YUV420, []string{"abcdefghi", "ABCD", "WXYZ"}},
		{full[1:], "abcdefghi" + "ABCD" + "WXYZ", frame.YUV420, []string{"abcdefghi", "ABCD", "WXYZ"}},
		{"C422" + full, "abcdefghi" + "ABCDEF" + "UVWXYZ", frame.YUV422, []string{"abcdefghi", "ABCDEF", "UVWXYZ"}},
		{"XYSCSS=422" + full, "abcdefghi" + "ABCDEF" + "UVWXYZ", frame.YUV422, []string{"abcdefghi", "ABCDEF", "UVWXYZ"}},
		{"C444" + full, "abcdefghi" + "ABCDEFGHI" + "aacaacggz", frame.YUV420, []string{"abcdefghi", "CEHI", "acgz"}},
		{"C444alpha" + full, "abcdefghi" + "AAAAAAAAA" + "BBBBBBBBB" + "opaque...", frame.YUV420, []string{"abcdefghi", "AAAA", "BBBB"}},
		{"C411" + full, "abcdefghi" + "ACZ" + "ACZ", frame.YUV420, []string{"abcdefghi", "BBZZ", "BBZZ"}},
		{"Cmono" + full, "abcdefghi", frame.Grey, []string{"abcdefghi"}},
		{"Cmono", "\x00\x10\x11\x7e\x80\xea\xeb\xec\xff", frame.Grey, []string{"\x00\x00\x01\x80\x82\xfe\xff\xff\xff"}},
		{"C420", "\x10\xeb\x10\xeb\x10\xeb\x10\xeb\x10" + "\x10\x80\xf0\xff" + "\x00\x0f\x81\x80", frame.YUV420, []string{"\x00\xff\x00\xff\x00\xff\x00\xff\x00", "\x01\x80\xff\xff", "\x00\x00\x81\x80"}},
	} {
		t.Run(c.header, func(t *testing.T) {
			s := open(t, "YUV4MPEG2 W3 H3 F30000:1001 Ip A0:0 "+c.header+"\nFRAME\n"+c.frame+"FRAME Ixyz\n"+c.frame, y4m.Config{})
			for range 5 {
				f := read(t, s)
				if f.Format != c.format {
					t.Fatalf("format %s", f.Format)
				}
				for i, want := range c.planes {
					if got := string(plane(f, i)); got != want {
						t.Errorf("plane %d: %q, want %q", i, got, want)
					}
				}
				f.Release()
			}
		})
	}
}

func TestRateFromHeader(t *testing.T) {
	for header, want := range map[string]float64{"F30000:1001": 30000.0 / 1001, "F25:1": 25, "F0:0": y4m.DefaultFPS, "": y4m.DefaultFPS, "F5000:1": y4m.DefaultFPS, "F30": 30, "F-1:1": y4m.DefaultFPS, "F1:20": 0.05} {
		s, err := y4m.Open(file(t, "YUV4MPEG2 W2 H2 Cmono "+header+"\nFRAME\nabcd"), y4m.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Info().FPS; got != want {
			t.Errorf("%s: %g", header, got)
		}
		s.Close()
	}
}

func TestInvalidFilesAreRejected(t *testing.T) {
	for data, want := range map[string]string{
		"":                                       "EOF",
		"YUV4MPEG2 W2":                           "unexpected EOF",
		"JPEG W2 H2\n":                           "not a Y4M file",
		"YUV4MPEG2 W0 H2 \n":                     "size 0x2",
		"YUV4MPEG2 Wx H2\n":                      `field "Wx"`,
		"YUV4MPEG2 W9000 H2\n":                   "out of range",
		"YUV4MPEG2 W2 H2 C420p10\n":              "yuv420p",
		"YUV4MPEG2 W2 H2\n":                      "no complete frame",
		"YUV4MPEG2 W2 H2\nFRAME\nabcde":          "no complete frame",
		"YUV4MPEG2 W2 H2\nGRAME\nabcdef":         "no FRAME line",
		"YUV4MPEG2 W2 H2\nFRAMES\nabcdef":        "no FRAME line",
		"YUV4MPEG2 " + strings.Repeat(" ", 5000): "4096",
		"YUV4MPEG2 W8192 H8192\nFRAME\n" + "a":   "no complete frame",
	} {
		s, err := y4m.Open(file(t, data), y4m.Config{})
		if err == nil {
			s.Close()
			t.Errorf("%q opened", data)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", data, err, want)
		}
	}
}

func TestTruncatedFilePlaysItsCompleteFrames(t *testing.T) {
	const data = "YUV4MPEG2 W2 H2 Cmono XCOLORRANGE=FULL\nFRAME\nabcdFRAME\nefghFRAME\nij"
	warnings := 0
	s := open(t, data, y4m.Config{Warn: func(err error) {
		warnings++
		if !strings.Contains(err.Error(), "x.y4m: damaged") {
			t.Error(err)
		}
	}})
	got := ""
	for range 6 {
		f := read(t, s)
		got += string(plane(f, 0))
		f.Release()
	}
	if got != strings.Repeat("abcdefgh", 3) || warnings != 1 {
		t.Errorf("%s, %d warnings", got, warnings)
	}
	s = open(t, data, y4m.Config{Once: true})
	read(t, s)
	read(t, s)
	var f frame.Frame
	if err := s.ReadFrame(context.Background(), &f); !errors.Is(err, frame.ErrEnd) || !strings.Contains(err.Error(), "x.y4m: ") {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("YUV4MPEG2 W3 H3 F25:1 C444alpha\nFRAME\n" + strings.Repeat("x", 36) + "FRAME\n"))
	f.Add([]byte("YUV4MPEG2 W2 H2 C411 XCOLORRANGE=FULL\nFRAME Ip\nabcdefgh"))
	f.Add([]byte("YUV4MPEG2 W1 H1 Cmono\nFRAME\naFRAME\nb"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("000")) {
			return // too slow
		}
		s, err := y4m.Open(file(t, string(data)), y4m.Config{FPS: math.Inf(1), Once: true})
		if err != nil {
			return
		}
		defer s.Close()
		for n := 0; ; n++ {
			var f frame.Frame
			err := s.ReadFrame(context.Background(), &f)
			if errors.Is(err, frame.ErrEnd) && n > 0 {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
			f.Release()
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, colour := range []string{"C420jpeg", "C420jpeg XCOLORRANGE=FULL", "C444"} {
		b.Run(colour, func(b *testing.B) {
			size := 1280 * 720 * 3 / 2
			if colour == "C444" {
				size *= 2
			}
			picture := "FRAME\n" + strings.Repeat("\x40", size)
			s := open(b, fmt.Sprintf("YUV4MPEG2 W1280 H720 %s\n%s", colour, strings.Repeat(picture, 10)), y4m.Config{})
			b.ReportAllocs()
			for b.Loop() {
				read(b, s).Release()
			}
		})
	}
}
