package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
)

// jpegOf returns a small picture that depends on n.
func jpegOf(t *testing.T, w, h, n int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i*7 + n*31)
	}
	img.Set(0, 0, color.RGBA{R: byte(n), A: 255})
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenReportsTheReason(t *testing.T) {
	dir := t.TempDir()
	sub := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, text, brokenPhotos := sub("empty"), sub("text"), sub("broken")
	write(t, filepath.Join(text, "readme.txt"), []byte("hello"))
	write(t, filepath.Join(brokenPhotos, "a.jpg"), []byte("no picture"))
	for _, c := range []struct{ name, spec, want string }{
		{"nothing", "", "no name"},
		{"unknown name", "webcam", "no source of that name"},
		{"missing file", filepath.Join(dir, "none.mjpeg"), "no such file"},
		{"empty folder", empty, "no photographs"},
		{"folder of other files", text, "other entries: 1"},
		{"folder of broken photographs", brokenPhotos, "none of the 1 photographs can be shown"},
		{"empty file", write(t, filepath.Join(dir, "empty.mjpeg"), nil), "empty"},
		{"a file of text", write(t, filepath.Join(dir, "x.txt"), []byte("hello world, hello")), "unknown type of file"},
		{"an unsupported video", write(t, filepath.Join(dir, "x.mp4"), []byte("\x00\x00\x00\x20ftypisom0000")), "unknown type of file"},
		{"a single picture", write(t, filepath.Join(dir, "x.png"), []byte("\x89PNG\r\n\x1a\n0000")), "name its folder"},
		{"MJPEG without a picture", write(t, filepath.Join(dir, "x.mjpeg"), []byte("garbage, nothing but garbage")), "without a single picture"},
		{"AVI that ends", write(t, filepath.Join(dir, "x.avi"), []byte("RIFF\xff\x00\x00\x00AVI LIST")), "no data"},
		{"not a video device", "/dev/null", "neither a file, a folder nor a webcam"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := source.Open(c.spec, source.Options{})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "open source") {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
	for _, o := range []source.Options{{Width: -1, Height: 5}, {Width: 9000, Height: 5}, {Width: 5}, {FPS: -1}, {FPS: math.NaN()}} {
		if s, err := source.Open("testcard", o); err == nil {
			s.Close()
			t.Errorf("testcard opened with %+v", o)
		}
	}
}

func TestMJPEGFileLoops(t *testing.T) {
	pictures := [][]byte{jpegOf(t, 32, 24, 1), jpegOf(t, 32, 24, 2), jpegOf(t, 48, 24, 3)}
	path := write(t, filepath.Join(t.TempDir(), "x.mjpeg"), []byte(strings.Join([]string{
		string(pictures[0]), string(pictures[1]), "garbage\xff\xd8 and \xff", string(pictures[2]), "\x00\x00",
	}, "")))
	s, err := source.Open(path, source.Options{FPS: math.Inf(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info := s.Info(); info.Width != 32 || info.Height != 24 || info.Kind != "mjpeg" {
		t.Errorf("info %+v", info)
	}
	dst := make([]byte, 1<<20)
	for i := range 7 {
		var p frame.Picture
		if err := s.(frame.JPEGSource).ReadJPEG(context.Background(), dst, &p); err != nil {
			t.Fatal(err)
		}
		if want := pictures[i%3]; !bytes.Equal(dst[:p.Size], want) || p.Sequence != uint64(i+1) {
			t.Errorf("picture %d: %+v is not the file's", i, p)
		}
	}
}

func TestFilesWithOtherBytesBeforeThePictures(t *testing.T) {
	jpg := jpegOf(t, 32, 24, 1)
	part := append([]byte("\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n"), jpg...)
	for name, data := range map[string][]byte{
		"a saved reply":           slices.Concat([]byte("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n"), part, part),
		"from a stream's middle":  slices.Concat(part[15:], part),
		"from a picture's middle": slices.Concat(jpg[300:], jpg, jpg),
	} {
		s, err := source.Open(write(t, filepath.Join(t.TempDir(), "x.bin"), data), source.Options{FPS: math.Inf(1), Once: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 {
			if p, err := readNext(t, s); err != nil || p.Width != 32 {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
		s.Close()
	}
}

func TestBrokenPicturesInAFileAreDropped(t *testing.T) {
	good := jpegOf(t, 32, 24, 1)
	cut := good[:len(good)/2]
	var file []byte
	for range 3 {
		file = append(append(file, cut...), good...)
	}
	path := write(t, filepath.Join(t.TempDir(), "x.mjpg"), file)
	s, err := source.Open(path, source.Options{FPS: math.Inf(1), Once: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []string
	dst := make([]byte, 1<<20)
	for {
		var p frame.Picture
		err := s.(frame.JPEGSource).ReadJPEG(context.Background(), dst, &p)
		switch {
		case err == nil && bytes.Equal(dst[:p.Size], good):
			got = append(got, fmt.Sprint("good", p.Sequence))
			continue
		case errors.Is(err, frame.ErrBadPicture):
			got = append(got, "bad")
			continue
		case !errors.Is(err, frame.ErrEnd):
			t.Fatal(err)
		}
		break
	}
	if want := "bad good2 bad good4 bad good6"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPhotographsArePannedInTurn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jpg"), jpegOf(t, 200, 100, 1))
	write(t, filepath.Join(dir, "b.jpg"), []byte("broken"))
	write(t, filepath.Join(dir, "c.jpeg"), jpegOf(t, 100, 200, 3))
	s, err := source.Open(dir, source.Options{Width: 67, Height: 45, FPS: math.Inf(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var last []byte
	for i := range 100 {
		var f frame.Frame
		if err := s.(frame.RawSource).ReadFrame(context.Background(), &f); err != nil {
			t.Fatal(err)
		}
		if err := f.Check(); err != nil || f.Width != 67 || f.Height != 45 {
			t.Fatal(f.Width, f.Height, err)
		}
		if bytes.Equal(f.Planes[0], last) {
			t.Errorf("frame %d is the same as the one before", i)
		}
		last = append(last[:0], f.Planes[0]...)
		f.Release()
	}
}
