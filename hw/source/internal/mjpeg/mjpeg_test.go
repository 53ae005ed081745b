package mjpeg_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
)

// plain makes a JPEG of one grey.
func plain(t testing.TB, v uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 32, 16))
	for i := range img.Pix {
		img.Pix[i] = v
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// greyOf reads what plain wrote, in steps of 10.
func greyOf(t testing.TB, data []byte) int {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return (int(color.GrayModel.Convert(img.At(9, 9)).(color.Gray).Y) + 5) / 10 * 10
}

func chunk(name string, data ...[]byte) []byte {
	body := bytes.Join(data, nil)
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	out = append(out, body...)
	if len(body)&1 != 0 {
		out = append(out, 0)
	}
	return out
}

func stream(kind, handler string, scale, rate uint32) []byte {
	strh := make([]byte, 56)
	copy(strh, kind+handler)
	binary.LittleEndian.PutUint32(strh[20:], scale)
	binary.LittleEndian.PutUint32(strh[24:], rate)
	return chunk("LIST", []byte("strl"), chunk("strh", strh), chunk("strf", make([]byte, 40)))
}

func headers(streams ...[]byte) []byte {
	return chunk("LIST", []byte("hdrl"), chunk("avih", make([]byte, 56)), bytes.Join(streams, nil))
}

func file(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// play returns the greys of the pictures of one round, "bad" for a broken one.
func play(t *testing.T, s frame.JPEGSource) (seen []string, end error) {
	t.Helper()
	dst := make([]byte, 1<<20)
	for {
		var p frame.Picture
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := s.ReadJPEG(ctx, dst, &p)
		cancel()
		switch {
		case err == nil:
			seen = append(seen, fmt.Sprint(greyOf(t, dst[:p.Size])))
		case errors.Is(err, frame.ErrBadPicture):
			seen = append(seen, "bad")
		default:
			return seen, err
		}
	}
}

func TestAVI(t *testing.T) {
	video, sound := stream("vids", "MJPG", 1001, 30000), stream("auds", "\x00\x00\x00\x00", 1, 1)
	a, b, c := plain(t, 50), plain(t, 100), plain(t, 150)
	odd := append(append([]byte(nil), b...), make([]byte, 1+len(b)&1)...) // padded inside its chunk
	for _, test := range []struct {
		name, want, warning string
		data                []byte
	}{
		{"plain", "50 100 150", "", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", odd), chunk("00db", c)), chunk("idx1", make([]byte, 33)))},
		{"sound first, junk, empty pictures", "50 100", "", chunk("RIFF", []byte("AVI "), chunk("JUNK", make([]byte, 77)), headers(sound, video), chunk("LIST", []byte("INFO"), chunk("ISFT", []byte("x"))), chunk("LIST", []byte("movi"), chunk("00wb", []byte("abc")), chunk("01dc", a), chunk("01dc"), chunk("ix01", make([]byte, 5)), chunk("01dc", b)))},
		{"rec lists and OpenDML", "50 100 150", "", append(chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("LIST", []byte("rec "), chunk("00dc", a)), chunk("LIST", []byte("rec "), chunk("00dc", b)))), chunk("RIFF", []byte("AVIX"), chunk("LIST", []byte("movi"), chunk("00dc", c)))...)},
		{"broken pictures", "50 bad bad 150", "", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", []byte("none")), chunk("00dc", b[:len(b)-3]), chunk("00dc", c)))},
		{"cut off", "50", "damaged", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", b)))[:12+8+4+200+len(a)+200]},
		{"garbage at its end", "50", "no chunk's name", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})},
		{"a size that lies", "50", "damaged", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)), []byte("00dc\xff\xff\xff\x01abcd"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			warning := ""
			s, err := mjpeg.OpenFile(file(t, test.data), mjpeg.Config{FPS: math.Inf(1), Once: true, Warn: func(err error) { warning += err.Error() }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if info := s.Info(); info.Kind != "avi" || info.Width != 32 || info.Height != 16 {
				t.Errorf("%+v", info)
			}
			seen, end := play(t, s)
			if strings.Join(seen, " ") != test.want || !errors.Is(end, frame.ErrEnd) || (warning != "") != (test.warning != "") || !strings.Contains(warning, test.warning) {
				t.Errorf("got %q, %v, warning %q; want %q, %q", seen, end, warning, test.want, test.warning)
			}
		})
	}
	s, err := mjpeg.OpenFile(file(t, chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)))), mjpeg.Config{})
	if err != nil || math.Abs(s.Info().FPS-29.97) > 0.01 {
		t.Errorf("rate %v, %v", s.Info().FPS, err)
	}
	s.Close()
	if _, err := mjpeg.OpenFile(file(t, chunk("RIFF", []byte("AVI "), headers(stream("vids", "H264", 1, 25)), chunk("LIST", []byte("movi")))), mjpeg.Config{}); err == nil || !strings.Contains(err.Error(), "none of its 1 streams is motion JPEG") {
		t.Error(err)
	}
}

func TestFileThatIsPlayedOnFromItsStartKeepsItsPace(t *testing.T) {
	s, err := mjpeg.OpenFile(file(t, append(plain(t, 50), plain(t, 100)...)), mjpeg.Config{FPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dst := make([]byte, 1<<16)
	var p frame.Picture
	var start time.Time
	for i := range 26 {
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			start = time.Now()
		}
	}
	if took := time.Since(start); took < 480*time.Millisecond {
		t.Errorf("25 pictures at 50 a second took %v", took)
	}
}

func pipe(t *testing.T, c mjpeg.Config) (*io.PipeWriter, *mjpeg.Stream) {
	t.Helper()
	r, w := io.Pipe()
	s, err := mjpeg.NewStream(r, "pipe", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return w, s
}

func TestStreamEndsInOrder(t *testing.T) {
	for _, c := range []struct {
		name, want string
		data       []byte
		err        error
		is         error
	}{
		{"whole", "50", plain(t, 50), nil, frame.ErrEnd},
		{"broken between", "bad 100", append(plain(t, 50)[:200:200], plain(t, 100)...), nil, frame.ErrEnd},
		{"multipart", "50", []byte("--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(plain(t, 50)) + "\r\n--b--\r\n"), nil, frame.ErrEnd},
		{"in the middle", "50", append(plain(t, 50), plain(t, 100)[:300]...), nil, frame.ErrEnd},
		{"nothing", "", nil, nil, frame.ErrEnd},
		{"an error", "50", plain(t, 50), errors.New("cable"), frame.ErrGone},
		{"Y4M", "", []byte("YUV4MPEG2 W2 H2\nFRAME\n"), nil, frame.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := pipe(t, mjpeg.Config{})
			go func() {
				w.Write(c.data)
				w.CloseWithError(c.err)
			}()
			seen, end := play(t, s)
			if strings.Join(seen, " ") != c.want || !errors.Is(end, c.is) {
				t.Errorf("got %q, %v", seen, end)
			}
			if _, again := play(t, s); !errors.Is(again, c.is) {
				t.Errorf("the end the second time: %v", again)
			}
		})
	}
}

func TestStreamGivesTheNewest(t *testing.T) {
	w, s := pipe(t, mjpeg.Config{})
	greys := []uint8{10, 50, 100, 150, 200}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, v := range greys {
			w.Write(plain(t, v))
		}
		w.Write([]byte("x")) // the last picture has been taken in when this is read
	}()
	var p frame.Picture
	dst := make([]byte, 1<<16)
	if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
		t.Fatal(err)
	}
	<-written
	for {
		first := greyOf(t, dst[:p.Size])
		if first == 200 {
			break
		}
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			t.Fatal(err)
		}
	}
	if p.Sequence != 5 {
		t.Errorf("picture %d", p.Sequence)
	}
}

func TestStreamOfAFastWriterIsHeldBack(t *testing.T) {
	w, s := pipe(t, mjpeg.Config{FPS: 100})
	data := plain(t, 50)
	go func() {
		for {
			if _, err := w.Write(data); err != nil {
				return
			}
		}
	}()
	dst := make([]byte, 1<<16)
	var p frame.Picture
	var start time.Time
	for i := range 31 {
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			start = time.Now()
		}
	}
	if took := time.Since(start); took < 280*time.Millisecond {
		t.Errorf("30 pictures at 100 a second took %v", took)
	}
	if most := uint64(time.Since(start)/(10*time.Millisecond))*11/10 + 5; p.Sequence > most {
		t.Errorf("%d pictures were taken in, of %d at most", p.Sequence, most)
	}
}

// TestMain is also the program that reads standard input.
func TestMain(m *testing.M) {
	if os.Getenv("MJPEG_TEST_STDIN") != "" {
		os.Exit(readStdin())
	}
	os.Exit(m.Run())
}

func readStdin() int {
	s, err := mjpeg.Stdin(mjpeg.Config{FPS: 1000})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	if os.Getenv("MJPEG_TEST_STDIN") == "close" {
		time.AfterFunc(200*time.Millisecond, func() { s.Close() })
	}
	dst := make([]byte, 1<<20)
	var p frame.Picture
	for {
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			fmt.Println(p.Sequence, "pictures:", err)
			return 0
		}
	}
}

func TestStandardInput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(how string, in io.Reader) string {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "MJPEG_TEST_STDIN="+how)
		cmd.Stdin = in
		out, err := cmd.CombinedOutput()
		return fmt.Sprint(strings.TrimSpace(string(out)), " ", err)
	}
	data := bytes.Repeat(plain(t, 50), 20)
	if got := run("read", bytes.NewReader(data)); !strings.Contains(got, "source ended") || !strings.HasSuffix(got, "<nil>") {
		t.Errorf("pipe: %s", got)
	}
	regular, err := os.Open(file(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	if got := run("read", regular); !strings.HasPrefix(got, "20 pictures: ") {
		t.Errorf("file: %s", got)
	}
	silent, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	defer writer.Close()
	if got := run("close", silent); !strings.Contains(got, "closed") {
		t.Errorf("closed while it waits for a silent pipe: %s", got)
	}
	if null := run("read", nil); !strings.Contains(null, "source ended") {
		t.Errorf("/dev/null: %s", null)
	}
}

func FuzzStream(f *testing.F) {
	a := plain(f, 50)
	f.Add(chunk("RIFF", []byte("AVI "), headers(stream("vids", "MJPG", 1, 25)), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("LIST", []byte("rec "), chunk("00db", a[:99])))))
	f.Add(append([]byte("--b\r\nContent-Length: 5\r\n\r\n"), a...))
	f.Add([]byte("RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffmovi"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := mjpeg.NewStream(io.NopCloser(bytes.NewReader(data)), "fuzz", mjpeg.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		dst := make([]byte, len(data)+1000)
		for {
			var p frame.Picture
			err := s.ReadJPEG(context.Background(), dst, &p)
			if err != nil && !errors.Is(err, frame.ErrBadPicture) {
				return
			}
			if err == nil && (p.Size > len(dst) || p.Width < 1 || dst[p.Size-1] != 0xd9) {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func BenchmarkFile(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 1280, 720), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i * i >> 7)
	}
	var data bytes.Buffer
	for range 10 {
		if err := jpeg.Encode(&data, img, nil); err != nil {
			b.Fatal(err)
		}
	}
	s, err := mjpeg.OpenFile(file(b, data.Bytes()), mjpeg.Config{FPS: math.Inf(1)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	dst := make([]byte, 4<<20)
	var p frame.Picture
	b.SetBytes(int64(data.Len() / 10))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			b.Fatal(err)
		}
	}
}
