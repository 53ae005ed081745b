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
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/stdin"
)

// plain returns a JPEG of a single grey.
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

// greyOf decodes plain's grey, in steps of 10.
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

// unpadded returns a chunk without padding, as some writers do.
func unpadded(name string, data []byte) []byte {
	if len(data)&1 == 0 { // make every one odd-sized
		data = append(bytes.Clone(data), 0)
	}
	return append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data))), data...)
}

// chunkAVI returns an AVI file with the given pictures.
func chunkAVI(headers []byte, pictures ...[]byte) []byte {
	movi := []byte("movi")
	for _, p := range pictures {
		movi = append(movi, chunk("00dc", p)...)
	}
	return chunk("RIFF", []byte("AVI "), headers, chunk("LIST", movi))
}

// streamOf returns a video stream's headers, from its handler and its format's codec.
func streamOf(handler, codec string) []byte {
	strh := make([]byte, 56)
	copy(strh, "vids"+handler)
	strf := make([]byte, 40)
	copy(strf[16:], codec)
	return chunk("LIST", []byte("strl"), chunk("strh", strh), chunk("strf", strf))
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

// play returns the greys of the pictures in one loop, "bad" for a broken one.
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
	odd := append(append([]byte(nil), b...), make([]byte, 1+len(b)&1)...) // padding inside the chunk
	for _, test := range []struct {
		name, want, warning string
		data                []byte
	}{
		{"plain", "50 100 150", "", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", odd), chunk("00db", c)), chunk("idx1", make([]byte, 33)))},
		{"sound first, junk, empty pictures", "50 100", "", chunk("RIFF", []byte("AVI "), chunk("JUNK", make([]byte, 77)), headers(sound, video), chunk("LIST", []byte("INFO"), chunk("ISFT", []byte("x"))), chunk("LIST", []byte("movi"), chunk("00wb", []byte("abc")), chunk("01dc", a), chunk("01dc"), chunk("ix01", make([]byte, 5)), chunk("01dc", b)))},
		{"rec lists and OpenDML", "50 100 150", "", append(chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("LIST", []byte("rec "), chunk("00dc", a)), chunk("LIST", []byte("rec "), chunk("00dc", b)))), chunk("RIFF", []byte("AVIX"), chunk("LIST", []byte("movi"), chunk("00dc", c)))...)},
		{"broken pictures", "50 bad bad 150", "", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", []byte("none")), chunk("00dc", b[:len(b)-3]), chunk("00dc", c)))},
		{"truncated", "50", "damaged", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("00dc", b)))[:12+8+4+200+len(a)+200]},
		{"garbage at its end", "50", "damaged", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})},
		{"a wrong size", "50", "damaged", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)), []byte("00dc\xff\xff\xff\x01abcd"))},
		{"handler 0, codec in the format", "50 100 150", "", chunkAVI(headers(streamOf("\x00\x00\x00\x00", "MJPG")), a, b, c)},
		{"handler of another program", "50 100 150", "", chunkAVI(headers(streamOf("DIB ", "mjpg")), a, b, c)},
		{"sound whose format looks like MJPEG", "50 100", "", chunk("RIFF", []byte("AVI "), headers(chunk("LIST", []byte("strl"), chunk("strh", append([]byte("auds\x00\x00\x00\x00"), make([]byte, 48)...)), chunk("strf", append(make([]byte, 16), "MJPG"...))), video), chunk("LIST", []byte("movi"), chunk("01dc", a), chunk("01dc", b)))},
		{"odd chunks without padding", "50 100 150", "", bytes.Join([][]byte{chunk("RIFF", []byte("AVI "), headers(video)), []byte("LIST\x00\x00\x00\x00movi"), unpadded("00dc", a), unpadded("01wb", []byte("abc")), unpadded("00dc", b), unpadded("00dc", c), unpadded("idx1", []byte("x"))}, nil)},
		{"zeros between chunks", "50 100 150", "", bytes.Join([][]byte{chunk("RIFF", []byte("AVI "), headers(video)), []byte("LIST\x00\x00\x00\x00movi"), chunk("00dc", a), make([]byte, 3), chunk("00dc", b), make([]byte, 2048), chunk("00dc", c), make([]byte, 500)}, nil)},
		{"two movi lists", "50 100 150", "", chunk("RIFF", []byte("AVI "), headers(video), chunk("LIST", []byte("movi"), chunk("00dc", a)), chunk("JUNK", make([]byte, 9)), chunk("LIST", []byte("movi"), chunk("00dc", b), chunk("00dc", c)))},
		{"movi of size 0, no index", "50 100", "", append(chunk("RIFF", []byte("AVI "), headers(video)), bytes.Join([][]byte{[]byte("LIST\x00\x00\x00\x00movi"), chunk("00dc", a), chunk("00dc", b)}, nil)...)},
		{"damaged bytes between pictures", "50 150", "", bytes.Join([][]byte{chunk("RIFF", []byte("AVI "), headers(video)), []byte("LIST\x00\x00\x00\x00movi"), chunk("00dc", a), bytes.Repeat([]byte{1, 0xff, 7}, 99), chunk("00dc", c)}, nil)},
		{"codec in mixed case", "50 100 150", "", chunkAVI(headers(streamOf("mJpG", "mJpG")), a, b, c)},
		{"stray bytes before pictures", "50 100", "", chunkAVI(headers(video), append([]byte{0, 0}, a...), append([]byte{0xff}, b...))},
		{"a camera's form type", "50 100", "", bytes.Replace(chunkAVI(headers(video), a, b), []byte("AVI "), []byte("AVI\x19"), 1)},
		{"no end markers", "50 100", "", chunkAVI(headers(video), a[:len(a)-2], b[:len(b)-2])},
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
	main := make([]byte, 56)
	binary.LittleEndian.PutUint32(main, 200000) // microseconds per frame
	header := chunk("LIST", []byte("hdrl"), chunk("avih", main), stream("vids", "MJPG", 0, 0))
	if s, err = mjpeg.OpenFile(file(t, chunkAVI(header, a)), mjpeg.Config{}); err != nil || s.Info().FPS != 5 {
		t.Fatalf("rate of the main header: %v, %v", s.Info().FPS, err)
	}
	s.Close()
	if _, err := mjpeg.OpenFile(file(t, chunk("RIFF", []byte("AVI "), headers(stream("vids", "H264", 1, 25)), chunk("LIST", []byte("movi")))), mjpeg.Config{}); err == nil || !strings.Contains(err.Error(), "none of the 1 streams is motion JPEG") {
		t.Error(err)
	}
}

func TestLoopingFileKeepsItsRate(t *testing.T) {
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
		t.Errorf("25 pictures at 50 fps took %v", took)
	}
}

func pipe(t *testing.T, c mjpeg.Config) (*io.PipeWriter, *mjpeg.Stream) {
	t.Helper()
	r, w := io.Pipe()
	s, err := mjpeg.NewStream(r, "pipe", "stdin", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return w, s
}

func TestStreamEndErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		data       []byte
		err        error
		is         error
	}{
		{"whole", "50", plain(t, 50), nil, frame.ErrEnd},
		{"truncated picture first", "100", append(plain(t, 50)[:200:200], plain(t, 100)...), nil, frame.ErrEnd},
		{"multipart", "50", []byte("--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(plain(t, 50)) + "\r\n--b--\r\n"), nil, frame.ErrEnd},
		{"truncated pictures first and last", "50", bytes.Join([][]byte{plain(t, 100)[:300], plain(t, 50), plain(t, 100)[:300]}, nil), nil, frame.ErrEnd},
		{"no end marker", "50", plain(t, 50)[:len(plain(t, 50))-2], nil, frame.ErrEnd},
		{"truncated at the end", "50", append(plain(t, 50), plain(t, 100)[:300]...), nil, frame.ErrEnd},
		{"nothing", "", nil, nil, frame.ErrNoPicture},
		{"text", "", []byte(strings.Repeat("hello ", 1000)), nil, frame.ErrNoPicture},
		{"H.264", "", []byte("\x00\x00\x00\x01\x67\x42\x00\x1e"), nil, frame.ErrUnsupported},
		{"only part of a picture", "", plain(t, 50)[:300], nil, frame.ErrNoPicture},
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
				t.Errorf("second error: %v", again)
			}
		})
	}
}

func TestStreamReturnsTheNewest(t *testing.T) {
	w, s := pipe(t, mjpeg.Config{})
	greys := []uint8{10, 50, 100, 150, 200}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, v := range greys {
			w.Write(plain(t, v))
		}
		w.Write([]byte("x")) // once this is read, the last picture has been received
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

// A camera's pictures do not queue up for a slow reader.
func TestStreamIsReadWithoutDelay(t *testing.T) {
	w, s := pipe(t, mjpeg.Config{FPS: 2})
	data := plain(t, 50)
	var written atomic.Int64
	go func() {
		for {
			if _, err := w.Write(data); err != nil {
				return
			}
			written.Add(1)
			time.Sleep(2 * time.Millisecond)
		}
	}()
	dst := make([]byte, 1<<16)
	for i := range 4 {
		var p frame.Picture
		if err := s.ReadJPEG(context.Background(), dst, &p); err != nil {
			t.Fatal(err)
		}
		if behind := written.Load() - int64(p.Sequence); i > 0 && behind > 100 {
			t.Errorf("picture %d, %d written since", p.Sequence, behind)
		}
	}
}

// If every second picture is broken, the others arrive without delay, and the broken ones are counted with their reason.
func TestBrokenPicturesInAStreamDelayNoOthers(t *testing.T) {
	w, s := pipe(t, mjpeg.Config{FPS: 1000})
	good, cut := plain(t, 50), plain(t, 100)
	cut = cut[:len(cut)-12]
	go func() {
		for range 30 {
			if _, err := w.Write(append(bytes.Clone(cut), good...)); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		w.Close()
	}()
	seen, end := play(t, s)
	if n, why := s.Dropped(); len(seen) == 0 || slices.Contains(seen, "bad") || slices.Contains(seen, "100") || n != 30 || !strings.Contains(fmt.Sprint(why), "cut off") {
		t.Errorf("%q, %v, dropped %d: %v", seen, end, n, why)
	}
}

// The sender's time is used if its clock agrees with this machine's.
func TestSendersCaptureTimeIsUsedIfItsClockAgrees(t *testing.T) {
	for _, c := range []struct {
		name  string
		stamp func(now time.Time) string
		age   time.Duration
	}{
		{"300 ms ago", func(now time.Time) string {
			return fmt.Sprintf("X-Timestamp: %.6f\r\n", float64(now.Add(-300*time.Millisecond).UnixMicro())/1e6)
		}, 300 * time.Millisecond},
		{"a little early", func(now time.Time) string {
			return fmt.Sprintf("X-Timestamp: %.6f\r\n", float64(now.Add(500*time.Millisecond).UnixMicro())/1e6)
		}, 0},
		{"1970", func(time.Time) string { return "X-Timestamp: 1234.5\r\n" }, 0},
		{"next year", func(now time.Time) string { return fmt.Sprintf("X-Timestamp: %d\r\n", now.AddDate(1, 0, 0).Unix()) }, 0},
		{"none", func(time.Time) string { return "" }, 0},
	} {
		w, s := pipe(t, mjpeg.Config{})
		before := time.Now()
		go fmt.Fprintf(w, "--b\r\nContent-Type: image/jpeg\r\n%s\r\n%s\r\n--b\r\n", c.stamp(before), plain(t, 50))
		var p frame.Picture
		if err := s.ReadJPEG(context.Background(), make([]byte, 1<<16), &p); err != nil {
			t.Fatal(err)
		}
		if lower, upper := before.Add(-c.age), time.Now().Add(-c.age); p.Captured.Before(lower.Add(-time.Millisecond)) || p.Captured.After(upper.Add(time.Millisecond)) {
			t.Errorf("%s: captured %v, want between %v and %v", c.name, p.Captured, lower, upper)
		}
		w.Close()
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
	in, err := stdin.Open()
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	s, err := mjpeg.NewStream(in, "standard input", "stdin", mjpeg.Config{FPS: 1000})
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
		t.Errorf("closed while waiting for a silent pipe: %s", got)
	}
	if null := run("read", nil); !strings.Contains(null, "without a single picture: it is empty") {
		t.Errorf("/dev/null: %s", null)
	}
}

func FuzzStream(f *testing.F) {
	a := plain(f, 50)
	f.Add(chunk("RIFF", []byte("AVI "), headers(stream("vids", "MJPG", 1, 25)), chunk("LIST", []byte("movi"), chunk("00dc", a), chunk("LIST", []byte("rec "), chunk("00db", a[:99])))))
	f.Add(append([]byte("--b\r\nContent-Length: 5\r\n\r\n"), a...))
	f.Add([]byte("RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffmovi"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := mjpeg.NewStream(io.NopCloser(bytes.NewReader(data)), "fuzz", "stdin", mjpeg.Config{})
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
