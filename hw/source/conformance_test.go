package source_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/sourcetest"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
)

// opener opens spec, the name that users write.
func opener(spec string, o source.Options) func(testing.TB) frame.Source {
	return func(t testing.TB) frame.Source {
		s, err := source.Open(spec, o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "photos")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var pictures [][]byte
	for i := range 3 {
		pictures = append(pictures, jpegOf(t, 64, 48, i))
		write(t, filepath.Join(folder, fmt.Sprint(i, ".jpg")), pictures[i])
	}
	raw := write(t, filepath.Join(dir, "x.mjpeg"), bytes.Join(pictures, nil))
	avi := write(t, filepath.Join(dir, "x.avi"), aviOf(slices.Repeat(pictures, 20), 30)) // each loop reads the headers, which allocates
	video := write(t, filepath.Join(dir, "x.y4m"), y4mOf("C420jpeg", 33, 17, 3))
	fast := source.Options{Width: 160, Height: 120, FPS: 200}
	for _, c := range []struct {
		name string
		sourcetest.Case
	}{
		{"testcard", sourcetest.Case{Open: opener("testcard", fast)}},
		{"photographs", sourcetest.Case{Open: opener(folder, fast)}},
		{"mjpeg", sourcetest.Case{Open: opener(raw, fast)}},
		{"avi", sourcetest.Case{Open: opener(avi, fast)}},
		{"y4m", sourcetest.Case{Open: opener(video, fast)}},
		{"stream", sourcetest.Case{SizeLater: true, Open: func(t testing.TB) frame.Source {
			r, w := io.Pipe()
			parts := bytes.Join(append([][]byte{nil}, pictures...), []byte("\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"))
			go func() {
				for {
					if _, err := w.Write(parts); err != nil {
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			s, err := mjpeg.NewStream(r, "pipe", "stdin", mjpeg.Config{FPS: 200})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}},
		{"stream of raw frames", sourcetest.Case{Open: func(t testing.TB) frame.Source {
			r, w := io.Pipe()
			frames := y4mOf("C420jpeg", 33, 17, 3)
			header := bytes.IndexByte(frames, '\n') + 1
			go func() {
				_, err := w.Write(frames[:header])
				for err == nil {
					_, err = w.Write(frames[header:])
					time.Sleep(time.Millisecond)
				}
			}()
			s, err := y4m.NewStream(r, "pipe", 200)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}},
	} {
		t.Run(c.name, func(t *testing.T) { sourcetest.Run(t, c.Case) })
	}
}

// aviOf returns the smallest AVI file that players accept.
func aviOf(pictures [][]byte, fps uint32) []byte {
	chunk := func(name string, data []byte) []byte {
		n := len(data)
		b := append([]byte(name), byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		b = append(b, data...)
		if n&1 != 0 {
			b = append(b, 0)
		}
		return b
	}
	strh := make([]byte, 56)
	copy(strh, "vidsMJPG")
	strh[20], strh[24] = 1, byte(fps)
	movi := []byte("movi")
	for _, p := range pictures {
		movi = append(movi, chunk("00dc", p)...)
		movi = append(movi, chunk("01wb", []byte("sound"))...)
	}
	strl := append([]byte("strl"), chunk("strh", strh)...)
	hdrl := append(append([]byte("hdrl"), chunk("avih", make([]byte, 56))...), chunk("LIST", strl)...)
	body := append(append([]byte("AVI "), chunk("LIST", hdrl)...), chunk("LIST", movi)...)
	return chunk("RIFF", body)
}

// y4mOf returns frames of limited range: luma 16 at the left, 235 at the right, chroma 16 and 240.
func y4mOf(colour string, w, h, frames int) []byte {
	across, down := 2, 2
	switch colour {
	case "C422":
		down = 1
	case "C444", "C444alpha":
		across, down = 1, 1
	case "C411":
		across, down = 4, 1
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 %s\n", w, h, colour)
	for range frames {
		out.WriteString("FRAME\n")
		for range h {
			for x := range w {
				out.WriteByte(byte(16 + 219*x/max(1, w-1)))
			}
		}
		if colour != "Cmono" {
			n := ((w + across - 1) / across) * ((h + down - 1) / down)
			out.Write(bytes.Repeat([]byte{16}, n))
			out.Write(bytes.Repeat([]byte{240}, n))
		}
		if colour == "C444alpha" {
			out.Write(make([]byte, w*h))
		}
	}
	return out.Bytes()
}
