package source_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// ffmpeg runs ffmpeg on its own colour bars (SMPTE, 320x240, 25 fps).
func ffmpeg(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "ffmpeg"), append([]string{"-loglevel", "error", "-y", "-f", "lavfi", "-i", "smptebars=size=320x240:rate=25", "-frames:v", "10"}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// picture reads a picture from either kind of source as an image.
func picture(t *testing.T, s frame.Source) (image.Image, error) {
	t.Helper()
	switch s := s.(type) {
	case frame.JPEGSource:
		dst := make([]byte, 1<<20)
		var p frame.Picture
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			return nil, err
		}
		return jpeg.Decode(bytes.NewReader(dst[:p.Size]))
	case frame.RawSource:
		var f frame.Frame
		if err := s.ReadFrame(context.Background(), &f); err != nil {
			return nil, err
		}
		img := &image.YCbCr{Y: f.Planes[0], Cb: f.Planes[1], Cr: f.Planes[2], YStride: f.Strides[0], CStride: f.Strides[1], Rect: image.Rect(0, 0, f.Width, f.Height)}
		switch f.Format {
		case frame.YUV420:
			img.SubsampleRatio = image.YCbCrSubsampleRatio420
		case frame.YUV422:
			img.SubsampleRatio = image.YCbCrSubsampleRatio422
		case frame.Grey:
			return &image.Gray{Pix: f.Planes[0], Stride: f.Strides[0], Rect: img.Rect}, nil
		default:
			t.Fatalf("format %s", f.Format)
		}
		return img, nil
	}
	t.Fatal("no source")
	return nil, nil
}

// smpte reports whether an image has the first row's bars: 75 % grey, yellow, cyan, green, magenta, red, blue.
func smpte(t *testing.T, img image.Image, grey bool) {
	t.Helper()
	const v = 191
	for i, want := range []color.RGBA{{v, v, v, 255}, {v, v, 0, 255}, {0, v, v, 255}, {0, v, 0, 255}, {v, 0, v, 255}, {v, 0, 0, 255}, {0, 0, v, 255}} {
		if grey {
			luma, _, _ := color.RGBToYCbCr(want.R, want.G, want.B)
			want = color.RGBA{luma, luma, luma, 255}
		}
		got := color.RGBAModel.Convert(img.At(23+45*i, 60)).(color.RGBA)
		if off(got.R, want.R)+off(got.G, want.G)+off(got.B, want.B) > 24 {
			t.Errorf("bar %d is %v, want %v", i, got, want)
		}
	}
}

func off(a, b uint8) int { return int(max(a, b) - min(a, b)) }

func TestFFmpegFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, kind string
		args       []string
	}{
		{"plain.mjpeg", "mjpeg", []string{"-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg"}},
		{"a.avi", "avi", []string{"-c:v", "mjpeg", "-q:v", "3"}},
		{"tables.avi", "avi", []string{"-c:v", "mjpeg", "-q:v", "3", "-huffman", "default", "-bsf:v", "mjpeg2jpeg"}},
		{"limited.y4m", "y4m", []string{"-pix_fmt", "yuv420p"}},
		{"full.y4m", "y4m", []string{"-pix_fmt", "yuvj420p", "-strict", "-1"}},
		{"422.y4m", "y4m", []string{"-pix_fmt", "yuv422p"}},
		{"444.y4m", "y4m", []string{"-pix_fmt", "yuv444p"}},
		{"411.y4m", "y4m", []string{"-pix_fmt", "yuv411p"}},
		{"grey.y4m", "y4m", []string{"-pix_fmt", "gray"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if err := ffmpeg(t, append(c.args, path)...).Run(); err != nil {
				t.Fatal(err)
			}
			s, err := source.Open(path, source.Options{Once: true})
			if err != nil {
				t.Fatal(err)
			}
			if info := s.Info(); info.FPS != 25 || info.Width != 320 || info.Height != 240 || info.Kind != c.kind {
				t.Errorf("%+v", info)
			}
			s.Close()
			s, err = source.Open(path, source.Options{Once: true, FPS: math.Inf(1)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for n := 0; ; n++ {
				img, err := picture(t, s)
				if errors.Is(err, frame.ErrEnd) && n == 10 {
					break
				}
				if err != nil {
					t.Fatalf("picture %d: %v", n, err)
				}
				smpte(t, img, c.name == "grey.y4m")
			}
		})
	}
}

func TestFFmpegStream(t *testing.T) {
	for _, format := range []string{"mjpeg", "mpjpeg", "avi"} { // mpjpeg: multipart
		t.Run(format, func(t *testing.T) {
			cmd := ffmpeg(t, "-c:v", "mjpeg", "-q:v", "3", "-f", format, "-")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			s, err := mjpeg.NewStream(out, "ffmpeg", "stdin", mjpeg.Config{FPS: 200})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n := 0
			for ; ; n++ {
				img, err := picture(t, s)
				if errors.Is(err, frame.ErrEnd) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				smpte(t, img, false)
			}
			if n == 0 {
				t.Error("no picture")
			}
		})
	}
}
