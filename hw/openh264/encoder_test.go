//go:build linux && cgo

package openh264

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

var formats = []frame.Format{frame.YUV420, frame.NV21, frame.NV12, frame.YUV422, frame.YUYV, frame.Grey, frame.RGB, frame.BGR, frame.RGBA}

func newEncoder(t testing.TB, c frame.VideoConfig) *Encoder {
	t.Helper()
	e, err := NewEncoder(c)
	if err != nil {
		if errors.Is(err, ErrMissing) {
			testenv.Missing(t, "OpenH264's library", "make setup-test")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

var usual = frame.VideoConfig{Bitrate: 4_000_000, FPS: 30, GOP: time.Second}

// moving is the suite's scene seen through a window that moves by two pixels per frame.
func moving(t testing.TB, format frame.Format, width, height, n int) *frame.Frame {
	scene := encodertest.Scene(width+200, height)
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		copy(img.Pix[y*img.Stride:y*img.Stride+4*width], scene.Pix[y*scene.Stride+8*(n%100):])
	}
	f := encodertest.FromImage(t, img, format, 0xa5)
	f.Sequence, f.Captured = uint64(n), time.UnixMilli(int64(n)*33)
	return f
}

// annexB appends a unit to a raw stream.
func annexB(to []byte, u *frame.AccessUnit) []byte {
	for _, n := range u.NALs {
		to = append(append(to, 0, 0, 0, 1), n...)
	}
	return to
}

// decode decodes a raw stream to planar 4:2:0 with ffmpeg.
func decode(t *testing.T, stream []byte, width, height int) [][]byte {
	t.Helper()
	c := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "warning", "-xerror", "-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-")
	c.Stdin = bytes.NewReader(stream)
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.Output()
	text := strings.ReplaceAll(complaints.String(), "deprecated pixel format used", "")
	if err != nil || strings.Contains(text, "error") {
		t.Fatalf("ffmpeg: %v: %s", err, text)
	}
	size := width * height * 3 / 2
	var pictures [][]byte
	for ; len(out) >= size; out = out[size:] {
		pictures = append(pictures, out[:size])
	}
	if len(out) != 0 {
		t.Errorf("%d bytes after the last picture", len(out))
	}
	return pictures
}

// psnr compares a decoded picture with the planar frame, in dB, luma and chroma.
func psnr(f *frame.Frame, got []byte, width, height int) float64 {
	var sum float64
	n := 0
	for i, w, h := 0, width, height; i < 3; i++ {
		if i == 1 {
			w, h = w/2, h/2
		}
		for y := range h {
			for x := range w {
				d := float64(f.Planes[i][y*f.Strides[i]+x]) - float64(got[y*w+x])
				sum += d * d
			}
		}
		got = got[w*h:]
		n += w * h
	}
	return 10 * math.Log10(255*255*float64(n)/max(sum, 1))
}

// Every raw format is encoded such that another decoder returns the original pictures, and the stream has the documented structure.
func TestStreamDecodesToTheSamePictures(t *testing.T) {
	const width, height, count = 320, 240, 33
	for _, format := range formats {
		t.Run(format.String(), func(t *testing.T) {
			e := newEncoder(t, usual)
			var stream []byte
			var u frame.AccessUnit
			for i := range count {
				if err := e.Encode(moving(t, format, width, height, i), false, &u); err != nil {
					t.Fatal(err)
				}
				if want := i%30 == 0; u.Key != want || u.Sequence != uint64(i) || !u.Captured.Equal(time.UnixMilli(int64(i)*33)) {
					t.Fatalf("picture %d: %+v", i, u)
				}
				checkShape(t, &u)
				stream = annexB(stream, &u)
			}
			pictures := decode(t, stream, width, height)
			if len(pictures) != count {
				t.Fatalf("decoded %d pictures of %d", len(pictures), count)
			}
			for i, p := range pictures {
				want := moving(t, frame.YUV420, width, height, i)
				if format == frame.Grey {
					for _, plane := range want.Planes[1:] {
						for j := range plane {
							plane[j] = 128
						}
					}
				}
				if dB := psnr(want, p, width, height); dB < 32 {
					t.Errorf("picture %d: %.1f dB", i, dB)
				}
			}
		})
	}
}

// checkShape fails unless a unit is SPS, PPS and one IDR slice, or one slice, with parameter sets as documented.
func checkShape(t *testing.T, u *frame.AccessUnit) {
	t.Helper()
	var types []byte
	for _, n := range u.NALs {
		types = append(types, n[0]&0x1f)
	}
	if want := map[bool]string{true: "\a\b\x05", false: "\x01"}[u.Key]; string(types) != want {
		t.Fatalf("NAL units % x, want % x", types, want)
	}
	if !u.Key {
		return
	}
	var sps h264.SPS
	if err := sps.Unmarshal(u.NALs[0]); err != nil {
		t.Fatal(err)
	}
	if sps.ProfileIdc != 66 || !sps.ConstraintSet1Flag || sps.MaxNumRefFrames != 1 {
		t.Errorf("SPS: profile %d, set1 %v, %d references", sps.ProfileIdc, sps.ConstraintSet1Flag, sps.MaxNumRefFrames)
	}
	if v := sps.VUI; v == nil || !v.VideoFullRangeFlag || v.MatrixCoefficients != 6 || v.BitstreamRestriction == nil || v.BitstreamRestriction.MaxNumReorderFrames != 0 {
		t.Errorf("SPS: VUI %+v", v)
	}
}

func TestSizes(t *testing.T) {
	for _, size := range []frame.Size{
		{Width: 16, Height: 16},
		{Width: 17, Height: 16},
		{Width: 100, Height: 75},
		{Width: 321, Height: 241},
		{Width: 328, Height: 184},
		{Width: 1920, Height: 1080},
	} {
		t.Run(fmt.Sprintf("%dx%d", size.Width, size.Height), func(t *testing.T) {
			e := newEncoder(t, usual)
			var stream []byte
			var u frame.AccessUnit
			for i := range 3 {
				if err := e.Encode(moving(t, frame.NV12, size.Width, size.Height, i), false, &u); err != nil {
					t.Fatal(err)
				}
				stream = annexB(stream, &u)
			}
			w, h := size.Width&^1, size.Height&^1
			pictures := decode(t, stream, w, h)
			if len(pictures) != 3 {
				t.Fatalf("%d pictures", len(pictures))
			}
			if dB := psnr(moving(t, frame.YUV420, size.Width, size.Height, 2), pictures[2], w, h); dB < 26 {
				t.Errorf("%.1f dB", dB)
			}
		})
	}
	e := newEncoder(t, usual)
	var u frame.AccessUnit
	for _, size := range []frame.Size{{Width: 15, Height: 100}, {Width: 100, Height: 15}, {Width: 8192, Height: 8192}} {
		f, err := frame.Alloc(frame.YUV420, size.Width, size.Height)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Encode(f, false, &u); !errors.Is(err, frame.ErrSize) {
			t.Errorf("%+v: %v", size, err)
		}
	}
}

func TestNewSizeStartsWithAKeyFrame(t *testing.T) {
	e := newEncoder(t, usual)
	var u frame.AccessUnit
	for i, width := range []int{320, 320, 640, 640, 320} {
		if err := e.Encode(moving(t, frame.YUV420, width, 240, i), false, &u); err != nil {
			t.Fatal(err)
		}
		if want := i == 0 || i == 2 || i == 4; u.Key != want {
			t.Errorf("picture %d, %d wide: key %v", i, width, u.Key)
		}
	}
}

func TestRequestedKeyFrameStartsANewGroup(t *testing.T) {
	e := newEncoder(t, usual)
	var u frame.AccessUnit
	var keys []int
	for i := range 75 {
		if err := e.Encode(moving(t, frame.YUV420, 320, 240, i), i == 10, &u); err != nil {
			t.Fatal(err)
		}
		if u.Key {
			keys = append(keys, i)
			checkShape(t, &u)
		}
	}
	if fmt.Sprint(keys) != "[0 10 40 70]" {
		t.Errorf("key frames at %v", keys)
	}
}

// noise returns a picture full of detail.
func noise(t testing.TB, width, height, n int) *frame.Frame {
	f := moving(t, frame.YUV420, width, height, n)
	state := uint32(n)*2654435761 + 1
	for y := range height {
		row := f.Planes[0][y*f.Strides[0]:][:width]
		for x := range row {
			state = state*1664525 + 1013904223
			row[x] = row[x]/2 + uint8(state>>28)
		}
	}
	return f
}

// Bitrate, frame rate and GOP can be changed while the encoder runs.
func TestReconfiguration(t *testing.T) {
	e := newEncoder(t, frame.VideoConfig{Bitrate: 2_000_000, FPS: 30, GOP: 2 * time.Second})
	var u frame.AccessUnit
	var pool [16]*frame.Frame
	for i := range pool {
		pool[i] = noise(t, 320, 240, i)
	}
	n := 0
	run := func(pictures int) (bytes int, keys []int) {
		for i := range pictures {
			if err := e.Encode(pool[n%len(pool)], false, &u); err != nil {
				t.Fatal(err)
			}
			n++
			bytes += u.Size()
			if u.Key {
				keys = append(keys, i)
			}
		}
		return bytes, keys
	}
	change := func(c frame.VideoConfig) {
		if err := e.Configure(c); err != nil {
			t.Fatal(err)
		}
	}
	within := func(what string, got, want int) {
		t.Helper()
		if ratio := float64(got) / float64(want); ratio < 0.7 || ratio > 1.4 {
			t.Errorf("%s: %d bytes, want about %d", what, got, want)
		}
	}
	first, keys := run(120)
	within("2 Mbit/s for 4 s", first, 1_000_000)
	if fmt.Sprint(keys) != "[0 60]" {
		t.Errorf("GOP of 2 s: key frames at %v", keys)
	}
	change(frame.VideoConfig{Bitrate: 1_000_000, FPS: 30, GOP: 2 * time.Second})
	run(30)
	second, _ := run(120)
	within("1 Mbit/s for 4 s", second, 500_000)
	change(frame.VideoConfig{Bitrate: 1_000_000, FPS: 15, GOP: time.Second})
	run(30)
	third, keys := run(60)
	within("1 Mbit/s for 4 s at 15 fps", third, 500_000)
	if len(keys) != 4 {
		t.Errorf("GOP of 1 s at 15 fps: %d key frames in 4 s, at %v", len(keys), keys)
	}
	change(frame.VideoConfig{Bitrate: 1_000_000, FPS: 120, GOP: time.Second})
	run(120)
	fourth, _ := run(240)
	within("1 Mbit/s for 2 s at 120 fps", fourth, 250_000)
	for _, c := range []frame.VideoConfig{{Bitrate: 0, FPS: 30}, {Bitrate: 1, FPS: 0}, {Bitrate: 1, FPS: math.NaN()}, {Bitrate: 1, FPS: 1, GOP: -1}} {
		if err := e.Configure(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
		if _, err := NewEncoder(c); err == nil {
			t.Errorf("new: %+v was accepted", c)
		}
	}
}

func TestInvalidFrameIsRejected(t *testing.T) {
	e := newEncoder(t, usual)
	var u frame.AccessUnit
	f := moving(t, frame.YUV420, 320, 240, 0)
	f.Planes[2] = f.Planes[2][:100]
	if err := e.Encode(f, false, &u); err == nil {
		t.Error("a frame with a short plane was accepted")
	}
	f = moving(t, frame.YUV420, 320, 240, 0)
	f.Release()
	if err := e.Encode(f, false, &u); err == nil {
		t.Error("a released frame was accepted")
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	e := newEncoder(t, usual)
	for _, format := range []frame.Format{frame.YUV420, frame.YUYV} {
		f := moving(t, format, 320, 240, 0)
		var u frame.AccessUnit
		if n := testing.AllocsPerRun(100, func() {
			if err := e.Encode(f, false, &u); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per picture", format, n)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	e := newEncoder(t, usual)
	var u frame.AccessUnit
	f := moving(t, frame.YUV420, 320, 240, 0)
	if err := e.Encode(f, false, &u); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	if err := e.Encode(f, false, &u); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

// Without the library, the error names it and its package, and wraps what callers look for.
func TestMissingLibraryIsReported(t *testing.T) {
	err := open("libopenh264.so.0")
	if !errors.Is(err, ErrMissing) || !errors.Is(err, frame.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	for _, word := range []string{Library, "apt install libopenh264-7", "libopenh264.so.0"} {
		if !strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("%v: does not name %s", err, word)
		}
	}
	if err := open("libc.so.6"); !errors.Is(err, ErrMissing) {
		t.Errorf("a different library: %v", err)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, format := range []frame.Format{frame.YUV420, frame.NV12, frame.YUYV, frame.RGB} {
		b.Run(format.String(), func(b *testing.B) {
			e := newEncoder(b, usual)
			var frames [16]*frame.Frame
			for i := range frames {
				frames[i] = moving(b, format, 1280, 720, i)
			}
			var u frame.AccessUnit
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := e.Encode(frames[i%16], false, &u); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
