package h264_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/annexb"
	"github.com/maixstream/maixstream/hw/source/internal/h264"
	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// make264 encodes frames of ffmpeg's test source at 100 fps.
func make264(t testing.TB, n int, args ...string) []byte {
	t.Helper()
	args = append([]string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=100", "-frames:v", fmt.Sprint(n), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0", "-g", "10",
	}, args...)
	c := exec.Command(testenv.Program(t, "ffmpeg"), append(args, "-f", "h264", "-")...)
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, problems.String())
	}
	return out
}

// units returns the NAL units of each access unit in a stream.
func units(t testing.TB, stream []byte) (all []string) {
	r := annexb.NewReader(bytes.NewReader(stream))
	var u frame.AccessUnit
	for {
		if err := r.Next(&u); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(bytes.Join(u.NALs, []byte{0, 0, 1})))
	}
}

// join concatenates units to a stream.
func join(units []string) (stream []byte) {
	for _, u := range units {
		stream = append(append(stream, 0, 0, 0, 1), u...)
	}
	return stream
}

func write(t testing.TB, data []byte) string {
	path := filepath.Join(t.TempDir(), "film.h264")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// patience is the timeout for what should happen soon, on a busy machine.
const patience = 30 * time.Second

// read reads a unit and returns its NAL units.
func read(t testing.TB, s frame.VideoSource, u *frame.AccessUnit) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.ReadUnit(ctx, u); err != nil {
		t.Fatal(err)
	}
	return string(bytes.Join(u.NALs, []byte{0, 0, 1}))
}

// A file plays at its own rate in a loop, each time from its first key frame, bit for bit.
func TestFileLoops(t *testing.T) {
	stream := make264(t, 25)
	want := units(t, stream)
	f, err := h264.OpenFile(write(t, stream), h264.Config{FPS: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if i := f.Info(); i.Width != 64 || i.Height != 48 || i.FPS != 100 || i.Kind != "h264" || i.Note != "" {
		t.Errorf("%+v", i)
	}
	var u frame.AccessUnit
	began := time.Now()
	var last frame.AccessUnit
	for i := range 70 {
		if got := read(t, f, &u); got != want[i%25] {
			t.Fatalf("unit %d differs", i)
		}
		if u.Key != (i%25%10 == 0) || u.Sequence != last.Sequence+1 && i > 0 || u.Captured.Before(last.Captured) || time.Since(u.Captured) > patience {
			t.Errorf("unit %d: %v, number %d, captured %v", i, u.Key, u.Sequence, u.Captured)
		}
		last = u
	}
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("70 units at 100 fps took %v", took)
	}
}

func TestFileRate(t *testing.T) {
	stream := make264(t, 3, "-x264-params", "vui-timing=0", "-bsf:v", "filter_units=remove_types=6")
	// All encoders here write the timing: use a stream without.
	bare := bytes.NewReader(bareStream())
	data, _ := io.ReadAll(bare)
	for _, c := range []struct {
		data []byte
		asks float64
		want float64
		note bool
	}{
		{stream, 0, 100, false},
		{data, 0, 25, true},
		{data, 12, 12, false},
	} {
		f, err := h264.OpenFile(write(t, c.data), h264.Config{FPS: c.asks})
		if err != nil {
			t.Fatal(err)
		}
		if i := f.Info(); i.FPS != c.want || strings.Contains(i.Note, "25 fps") != c.note {
			t.Errorf("asked for %v: %+v", c.asks, i)
		}
		f.Close()
	}
}

// bareStream is a 64x48 key frame whose parameter sets have no timing, and another frame.
func bareStream() []byte {
	return []byte("\x00\x00\x00\x01\x67\x42\xc0\x1e\xda\x11\xe4\x00\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x00\x01\x65\x88\x84\x55\x55\x80\x00\x00\x00\x01\x41\x9a\x22\x55\x80")
}

func TestFileEnds(t *testing.T) {
	f, err := h264.OpenFile(write(t, make264(t, 12)), h264.Config{Once: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var u frame.AccessUnit
	for range 12 {
		read(t, f, &u)
	}
	if err := f.ReadUnit(t.Context(), &u); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("%v", err)
	}
}

func TestFilesWithoutAKeyFrameAreRejected(t *testing.T) {
	all := units(t, make264(t, 12))
	for want, data := range map[string][]byte{
		"no H.264":                   bytes.Repeat([]byte("hello"), 100),
		"no frame of H.264":          []byte("\x00\x00\x00\x01"),
		"no key frame":               join(all[1:8]),
		"without its parameter sets": bareStream()[11+4+4:],
	} {
		_, err := h264.OpenFile(write(t, data), h264.Config{})
		if !errors.Is(err, frame.ErrNoPicture) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Anything before the first key frame is skipped with a warning.
func TestFileStartingWithoutAKeyFrame(t *testing.T) {
	want := units(t, make264(t, 22))
	var warned []error
	f, err := h264.OpenFile(write(t, append([]byte("garbage"), join(want[4:])...)), h264.Config{Warn: func(err error) { warned = append(warned, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var u frame.AccessUnit
	for i := range 12 {
		if got := read(t, f, &u); got != want[10+i] {
			t.Errorf("unit %d differs", i)
		}
	}
	if len(warned) != 1 || !strings.Contains(warned[0].Error(), "6 frames before the first key frame") {
		t.Errorf("%v", warned)
	}
}

// A stream's units are delivered unchanged, as soon as the next one begins.
func TestStreamDeliversUnitsUnchanged(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	want := units(t, make264(t, 12))
	in, out := io.Pipe()
	s, err := h264.NewStream(in, "pipe", "stdin", h264.Config{FPS: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if i := s.Info(); i.Width != 0 || i.FPS != 30 {
		t.Errorf("%+v", i)
	}
	var u frame.AccessUnit
	rest := join(want)
	sent := 0 // of this unit
	for i, unit := range want {
		// With the beginning of the next one, except for the last.
		const header = 4 + 8
		last := i+1 == len(want)
		n := 4 + len(unit) - sent
		if !last {
			n += header
			sent = header
		}
		before := time.Now()
		part := rest[:n]
		rest = rest[n:]
		go func() {
			_, _ = out.Write(part)
			if last {
				out.Close()
			}
		}()
		if got := read(t, s, &u); got != unit {
			t.Fatalf("unit %d differs", i)
		}
		if u.Sequence != uint64(i)+1 || i == 0 && (u.Captured.Before(before) || u.Captured.After(time.Now())) {
			t.Errorf("unit %d: number %d, captured %v", i, u.Sequence, u.Captured)
		}
	}
	if i := s.Info(); i.Width != 64 || i.Height != 48 || i.FPS != 100 {
		t.Errorf("%+v", i)
	}
	for range 2 {
		if err := s.ReadUnit(t.Context(), &u); !errors.Is(err, frame.ErrEnd) {
			t.Errorf("%v", err)
		}
	}
}

// A read ends with its context, and with Close; the cause of a stream's end is reported.
func TestStreamEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var u frame.AccessUnit
	in, out := io.Pipe()
	s, err := h264.NewStream(in, "pipe", "stdin", h264.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.ReadUnit(ctx, &u); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { s.Close() })
	if err := s.ReadUnit(t.Context(), &u); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(s.Close(), s.Close(), out.Close()); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		data string
		fail error
		want error
		text string
	}{
		{"", io.EOF, frame.ErrNoPicture, "no frame of H.264"},
		{"hello", io.EOF, frame.ErrNoPicture, "no H.264"},
		{string(bareStream()), errors.New("cable cut"), frame.ErrGone, "cable cut"},
		{string(bareStream()[19:]), io.EOF, frame.ErrBadPicture, "parameter sets"},
	} {
		in := io.MultiReader(strings.NewReader(c.data), failing{c.fail})
		s, err := h264.NewStream(io.NopCloser(in), "pipe", "stdin", h264.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for err = nil; err == nil; {
			err = s.ReadUnit(t.Context(), &u)
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: %v", c.text, err)
		}
		s.Close()
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadingDoesNotAllocate(t *testing.T) {
	stream := make264(t, 100)
	film, err := h264.OpenFile(write(t, bytes.Repeat(stream, 10)), h264.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer film.Close()
	in, out := io.Pipe()
	go func() {
		for {
			if _, err := out.Write(stream); err != nil {
				return
			}
		}
	}()
	live, err := h264.NewStream(in, "pipe", "stdin", h264.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for _, s := range []frame.VideoSource{film, live} {
		var u frame.AccessUnit
		ctx := t.Context()
		for range 30 {
			read(t, s, &u)
		}
		var failed error
		if n := testing.AllocsPerRun(50, func() { failed = errors.Join(failed, s.ReadUnit(ctx, &u)) }); n != 0 || failed != nil {
			t.Errorf("%s: %v allocations per unit, %v", s.Info().Name, n, failed)
		}
	}
}

// B-frames have display times in order, however irregularly they arrive.
func TestBFramesHaveOrderedDisplayTimes(t *testing.T) {
	want := units(t, make264(t, 80, "-bf", "3", "-g", "40", "-x264-params", "b-adapt=0"))
	in, out := io.Pipe()
	s, err := h264.NewStream(in, "pipe", "stdin", h264.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() {
		for i := 0; i < len(want); i += 8 {
			_, _ = out.Write(join(want[i:min(i+8, len(want))]))
			time.Sleep(70 * time.Millisecond)
		}
		out.Close()
	}()
	var u frame.AccessUnit
	var shown, came []time.Time
	for range want {
		read(t, s, &u)
		came = append(came, u.Captured)
		shown = append(shown, u.Captured.Add(u.Shown))
	}
	if !slices.IsSortedFunc(came, time.Time.Compare) || slices.IsSortedFunc(shown, time.Time.Compare) {
		t.Error("units are not in coding order")
	}
	slices.SortFunc(shown, time.Time.Compare)
	for i := 1; i < len(shown); i++ { // 10 ms at 100 fps
		if d := shown[i].Sub(shown[i-1]); d < 2*time.Millisecond {
			t.Errorf("frame %d is shown %v after the previous one", i, d)
		}
	}
	if note := s.Info().Note; !strings.Contains(note, "B-frames") {
		t.Errorf("%q", note)
	}
}

// The size may change at a key frame.
func TestSizeChanges(t *testing.T) {
	small, large := make264(t, 12), make264(t, 12, "-s", "96x64")
	want := append(units(t, small), units(t, large)...)
	f, err := h264.OpenFile(write(t, append(bytes.Clone(small), large...)), h264.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var u frame.AccessUnit
	for i := range 30 {
		if got := read(t, f, &u); got != want[i%24] {
			t.Fatalf("unit %d differs", i)
		}
		size := frame.Size{Width: 64, Height: 48}
		if i%24 >= 12 {
			size = frame.Size{Width: 96, Height: 64}
		}
		if info := f.Info(); info.Width != size.Width || info.Height != size.Height {
			t.Errorf("unit %d: %+v, want %+v", i, info, size)
		}
	}
}
