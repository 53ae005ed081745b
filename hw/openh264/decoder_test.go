//go:build linux && cgo

package openh264

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/annexb"
	"github.com/maixstream/maixstream/internal/testenv"
)

func newDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder()
	if err != nil {
		if errors.Is(err, ErrMissing) {
			testenv.Missing(t, "OpenH264's library", "make setup-test")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// run runs ffmpeg.
func run(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	c := exec.Command(testenv.Program(t, "ffmpeg"), append([]string{"-v", "error"}, args...)...)
	c.Stdin = bytes.NewReader(stdin)
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, problems.String())
	}
	return out
}

// make264 encodes 24 frames of ffmpeg's moving test picture.
func make264(t testing.TB, size string, args ...string) []byte {
	t.Helper()
	args = append([]string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=30", "-frames:v", "24", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "12"}, args...)
	return run(t, nil, append(args, "-f", "h264", "-")...)
}

// units splits a stream into units with their own memory.
func units(t testing.TB, stream []byte) (all []frame.AccessUnit) {
	t.Helper()
	r := annexb.NewReader(bytes.NewReader(stream))
	for {
		var u frame.AccessUnit
		if err := r.Next(&u); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		u.NALs = slices.Clone(u.NALs)
		for i, n := range u.NALs {
			u.NALs[i] = bytes.Clone(n)
		}
		u.Captured = time.UnixMilli(int64(u.Sequence) * 40)
		all = append(all, u)
	}
}

// The pictures equal another decoder's, in display order, in JPEG's colours.
func TestPicturesMatchAnotherDecoders(t *testing.T) {
	for name, c := range map[string]struct {
		size string
		args []string
		held int // pictures still held back at the end
	}{
		"baseline":                    {"320x240", []string{"-profile:v", "baseline"}, 0},
		"main without B-frames":       {"320x240", []string{"-profile:v", "main", "-bf", "0"}, 0},
		"high, slices":                {"322x182", []string{"-bf", "0", "-x264-params", "slices=4"}, 0},
		"B-frames":                    {"320x240", []string{"-bf", "3"}, 3},
		"B-frames, no pyramid":        {"320x240", []string{"-bf", "3", "-x264-params", "b-pyramid=none"}, 3},
		"full range":                  {"320x240", []string{"-bf", "0", "-vf", "scale=out_range=full", "-color_range", "pc"}, 0},
		"BT.709":                      {"320x240", []string{"-bf", "0", "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709"}, 0},
		"height not a multiple of 16": {"1920x1080", []string{"-preset", "ultrafast", "-frames:v", "3"}, 0},
		"another picture's limits":    {"64x32", []string{"-bf", "0", "-refs", "5"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			stream := make264(t, c.size, c.args...)
			var width, height int
			if _, err := fmt.Sscanf(c.size, "%dx%d", &width, &height); err != nil {
				t.Fatal(err)
			}
			from := "bt601"
			if name == "BT.709" {
				from = "bt709"
			}
			want := run(t, stream, "-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-vf", "scale=in_color_matrix="+from+":out_color_matrix=bt601:out_range=full", "-f", "rawvideo",
				"-pix_fmt", "yuvj420p", "-")
			d := newDecoder(t)
			size, got := width*height*3/2, 0
			seen := map[uint64]bool{}
			for _, u := range units(t, stream) {
				var f frame.Frame
				ok, err := d.Decode(&u, &f)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					continue
				}
				if err := f.Check(); err != nil {
					t.Fatal(err)
				}
				if f.Width != width || f.Height != height || f.Sequence == 0 || seen[f.Sequence] || !f.Captured.Equal(time.UnixMilli(int64(f.Sequence)*40)) {
					t.Fatalf("picture %d: %dx%d, number %d of %v", got, f.Width, f.Height, f.Sequence, f.Captured)
				}
				seen[f.Sequence] = true
				if len(want) < (got+1)*size {
					t.Fatalf("more pictures than ffmpeg's %d", len(want)/size)
				}
				if dB := psnr(&f, want[got*size:(got+1)*size], width, height); dB < 40 {
					t.Errorf("picture %d: %.1f dB", got, dB)
				}
				got++
				f.Release()
				f.Release()
			}
			if missing := len(want)/size - got; missing < 0 || missing > c.held {
				t.Errorf("%d pictures of %d", got, len(want)/size)
			}
		})
	}
}

// The decoder decodes the encoder's stream, even if its size changes.
func TestDecodingSizeChanges(t *testing.T) {
	e, d := newEncoder(t, usual), newDecoder(t)
	for i, width := range []int{320, 320, 640, 640, 320} {
		var u frame.AccessUnit
		var f frame.Frame
		in := moving(t, frame.YUV420, width, 240, i)
		if err := e.Encode(in, false, &u); err != nil {
			t.Fatal(err)
		}
		ok, err := d.Decode(&u, &f)
		if err != nil || !ok || f.Width != width || f.Height != 240 {
			t.Fatalf("picture %d: %v, %v, %dx%d", i, ok, err, f.Width, f.Height)
		}
		var planes []byte
		for p, div := range []int{1, 2, 2} {
			for y := range 240 / div {
				planes = append(planes, f.Planes[p][y*f.Strides[p]:][:width/div]...)
			}
		}
		if dB := psnr(in, planes, width, 240); dB < 30 {
			t.Errorf("picture %d: %.1f dB", i, dB)
		}
		f.Release()
	}
}

func TestUnsupportedStreamsAreReported(t *testing.T) {
	for want, args := range map[string][]string{
		"10 bits per sample":  {"-pix_fmt", "yuv420p10le"},
		"chroma 4:2:2":        {"-pix_fmt", "yuv422p"},
		"chroma 4:4:4":        {"-pix_fmt", "yuv444p"},
		"interlaced pictures": {"-flags", "+ildct+ilme"},
	} {
		d := newDecoder(t)
		for _, u := range units(t, make264(t, "320x240", args...))[:2] {
			var f frame.Frame
			if _, err := d.Decode(&u, &f); !errors.Is(err, frame.ErrUnsupported) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		// Followed by a stream that can be decoded.
		u := units(t, make264(t, "64x64", "-bf", "0"))[0]
		var f frame.Frame
		if ok, err := d.Decode(&u, &f); !ok || err != nil {
			t.Errorf("after %s: %v, %v", want, ok, err)
		}
	}
}

// A damaged unit is an error, and nothing is shown until the next key frame.
func TestDamagedUnits(t *testing.T) {
	all := units(t, make264(t, "320x240", "-bf", "0"))
	d := newDecoder(t)
	var f frame.Frame
	if _, err := d.Decode(&all[1], &f); !errors.Is(err, frame.ErrBadPicture) {
		t.Errorf("no key frame first: %v", err)
	}
	shown := map[int]bool{}
	for i := range all {
		u := all[i]
		if i == 4 {
			n := bytes.Clone(u.NALs[len(u.NALs)-1])
			u.NALs = [][]byte{n[:len(n)/2]}
		}
		ok, err := d.Decode(&u, &f)
		if err != nil && !errors.Is(err, frame.ErrBadPicture) {
			t.Fatal(err)
		}
		shown[i] = ok
		f.Release()
	}
	for i := range all {
		if want := i < 4 || i >= 12; shown[i] != want {
			t.Errorf("unit %d: shown %v", i, shown[i])
		}
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if _, err := d.Decode(&all[0], &f); err == nil {
		t.Error("a closed decoder decodes")
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	all := units(t, make264(t, "320x240", "-bf", "0"))
	d := newDecoder(t)
	i := 0
	var f frame.Frame
	if n := testing.AllocsPerRun(100, func() {
		if ok, err := d.Decode(&all[i%len(all)], &f); !ok || err != nil {
			t.Fatal(ok, err)
		}
		f.Release()
		i++
	}); n != 0 {
		t.Errorf("%v allocations per picture", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	all := units(b, make264(b, "1280x720", "-bf", "0", "-b:v", "4M"))
	d := newDecoder(b)
	var f frame.Frame
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.Decode(&all[i%len(all)], &f); err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}
