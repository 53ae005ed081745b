package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/video"
)

// film makes H.264 as a pipeline does, a picture for each call.
type film struct {
	t             *testing.T
	log           *video.Log
	encoder       frame.VideoEncoder
	width, height int
	frame         *frame.Frame
	unit          frame.AccessUnit
	noise         uint32
	made          int
	watched       atomic.Int32
	missing       atomic.Pointer[error] // why there is none
}

func (f *film) Log() *video.Log { return f.log }

func (f *film) Watch() (leave func()) {
	f.watched.Add(1)
	return func() { f.watched.Add(-1) }
}

func (f *film) Err() error {
	if err := f.missing.Load(); err != nil {
		return *err
	}
	return nil
}

// newFilm makes a source of 160x120 with a key frame every gop.
func newFilm(t *testing.T, gop time.Duration) *film {
	t.Helper()
	encoder, err := hw.NewVideoEncoder(frame.VideoConfig{Bitrate: 2_000_000, FPS: 30, GOP: gop})
	if errors.Is(err, openh264.ErrMissing) {
		testenv.Missing(t, "OpenH264's library", "make setup-test")
	} else if err != nil {
		testenv.Unable(t, err.Error()) // a build without cgo
	}
	log, err := video.New(video.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = encoder.Close()
		log.Close()
	})
	return &film{t: t, log: log, encoder: encoder, width: 160, height: 120}
}

// publish makes a picture that was taken at a time.
func (f *film) publish(at time.Time) {
	f.t.Helper()
	if f.frame == nil || f.frame.Width != f.width || f.frame.Height != f.height {
		var err error
		if f.frame, err = frame.Alloc(frame.YUV420, f.width, f.height); err != nil {
			f.t.Fatal(err)
		}
	}
	luma := f.frame.Planes[0]
	for i := range luma {
		f.noise = f.noise*1664525 + 1013904223
		luma[i] = uint8(f.noise>>27) + uint8(i/8+f.made)
	}
	f.made++
	f.frame.Captured = at
	if err := f.encoder.Encode(f.frame, f.log.KeyWanted(time.Now()), &f.unit); err != nil {
		f.t.Fatal(err)
	}
	if err := f.log.Append(&f.unit); err != nil {
		f.t.Fatal(err)
	}
}

// feed publishes a picture and waits until the recorder has it.
func (f *film) feed(rec *record.Recorder, at time.Time) {
	f.t.Helper()
	before := rec.State()
	f.publish(at)
	testenv.Eventually(f.t, "the picture is recorded", func() bool {
		s := rec.State()
		return s.Frames+s.Skipped != before.Frames+before.Skipped
	})
}

func (f *film) start(c record.Config) *record.Recorder {
	f.t.Helper()
	c.Video = f
	if c.MaxBytes == 0 {
		c.MaxBytes = 100 << 20
	}
	rec, err := record.Start(c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = rec.Close() })
	testenv.Eventually(f.t, "the encoder is wanted", func() bool { return f.watched.Load() == 1 })
	f.publish(time.Now()) // the first unit: a key frame
	testenv.Eventually(f.t, "the first picture is recorded", func() bool {
		s := rec.State()
		return s.Frames > 0 || s.Error != ""
	})
	return rec
}

func films(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// plays has ffmpeg decode all of a file without a complaint, and returns each picture's time in seconds and whether it is a key frame.
func plays(t *testing.T, name string) (times []float64, keys []bool) {
	t.Helper()
	if out, err := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "warning", "-xerror", "-i", name, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-").CombinedOutput(); err != nil ||
		len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("ffmpeg %s: %v: %.1000s", name, err, out)
	}
	out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", name).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", name, err, out)
	}
	for line := range strings.FieldsSeq(string(out)) {
		at, flags, _ := strings.Cut(line, ",")
		seconds, err := strconv.ParseFloat(at, 64)
		if err != nil {
			t.Fatalf("ffprobe %s: %s", name, out)
		}
		times, keys = append(times, seconds), append(keys, strings.HasPrefix(flags, "K"))
	}
	if len(keys) == 0 || !keys[0] {
		t.Errorf("%s does not begin with a key frame", name)
	}
	return times, keys
}

func entry(t *testing.T, name, what string) string {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-select_streams", "v", "-show_entries", what, "-of", "csv=p=0", name).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// boxes returns where each of a file's boxes ends, by name.
func boxes(b []byte) (names []string, ends []int) {
	for at := 0; at+8 <= len(b); {
		size := int(binary.BigEndian.Uint32(b[at:]))
		names, ends = append(names, string(b[at+4:at+8])), append(ends, at+size)
		at += size
	}
	return names, ends
}

func TestMP4PieceHasAllPicturesAtTheirTimes(t *testing.T) {
	f, dir := newFilm(t, time.Second), t.TempDir()
	rec := f.start(record.Config{Dir: dir})
	at := time.Now()
	for range 60 {
		at = at.Add(40 * time.Millisecond)
		f.feed(rec, at)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if s := rec.State(); s.Frames != 61 || s.Skipped != 0 || s.Error != "" || f.watched.Load() != 0 {
		t.Errorf("%+v, watched by %d", s, f.watched.Load())
	}
	names := films(t, dir)
	if len(names) != 1 {
		t.Fatalf("pieces: %v", names)
	}
	times, keys := plays(t, names[0])
	for i := 2; i < len(times); i++ {
		if d := times[i] - times[i-1]; d < 0.0399 || d > 0.0401 {
			t.Errorf("picture %d comes %.4f s after the one before", i, d)
		}
	}
	if len(times) != 61 || !keys[30] && !keys[60] {
		t.Errorf("%d pictures; key frames: %v", len(times), keys)
	}
	if s := entry(t, names[0], "stream=codec_name,width,height"); s != "h264,160,120" {
		t.Error(s)
	}
	// How long it is stands in the header, and where the key frames are at the end.
	if d, _ := strconv.ParseFloat(entry(t, names[0], "format=duration"), 64); d < times[60] || d > times[60]+0.1 {
		t.Errorf("duration %v, the last picture at %v", d, times[60])
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	kinds, ends := boxes(b)
	if last := len(kinds) - 1; kinds[last] != "mfra" || ends[last] != len(b) || binary.BigEndian.Uint32(b[len(b)-4:]) != uint32(ends[last]-ends[last-1]) {
		t.Fatalf("ends with %v", kinds[max(0, last-3):])
	}
	index := b[ends[len(ends)-2]+8:]
	count := int(binary.BigEndian.Uint32(index[20:]))
	for i := range count {
		where := binary.BigEndian.Uint64(index[24+19*i+8:])
		if string(b[where+4:where+8]) != "moof" {
			t.Errorf("key frame %d is said to be at %d, where there is %q", i, where, b[where+4:where+8])
		}
	}
	indexed := 0
	for _, key := range keys {
		if key {
			indexed++
		}
	}
	if count != indexed {
		t.Errorf("%d key frames in the index, %d in the film", count, indexed)
	}
}

// The power may go at any byte: what is on the disk then plays, up to the last whole picture.
func TestMP4CutOffAnywherePlays(t *testing.T) {
	f, dir := newFilm(t, time.Second), t.TempDir()
	rec := f.start(record.Config{Dir: dir})
	for range 15 {
		f.feed(rec, time.Now())
	}
	running, err := os.ReadFile(films(t, dir)[0]) // as it is on the disk, not finished
	if err != nil {
		t.Fatal(err)
	}
	kinds, ends := boxes(running)
	var whole []int // where each picture ends
	for i, kind := range kinds {
		if kind == "mdat" {
			whole = append(whole, ends[i])
		}
	}
	if len(whole) != 16 {
		t.Fatalf("%d pictures on the disk: %v", len(whole), kinds)
	}
	// A file grows by blocks and by whole writes: no block ends in a fragment's head, which ffmpeg would refuse the file for.
	for i, kind := range kinds {
		if begins := ends[i] - 132; kind == "moof" && begins/512 != (ends[i]+7)/512 {
			t.Errorf("a block ends in the head before %d", ends[i])
		}
	}
	cut := filepath.Join(t.TempDir(), "cut.mp4")
	for _, c := range []struct {
		at    int
		zeros bool // in place of what was not written
	}{
		{at: whole[0]},
		{at: (whole[1] + 511) &^ 511},
		{at: (whole[1] + 511) &^ 511, zeros: true},
		{at: whole[2] - 1},
		{at: whole[3] + 3},
		{at: (whole[3] + whole[4]) / 2},
		{at: (whole[3] + whole[4]) / 2, zeros: true},
		{at: whole[6] &^ 4095, zeros: true},
		{at: whole[12] &^ 4095},
		{at: len(running)},
	} {
		want := 0
		for want < len(whole) && whole[want] <= c.at {
			want++
		}
		content := bytes.Clone(running[:c.at])
		if c.zeros {
			content = append(content, make([]byte, len(running)-c.at)...)
		}
		if err := os.WriteFile(cut, content, 0o600); err != nil {
			t.Fatal(err)
		}
		// It may complain about what is cut off, and show a picture that is not whole.
		out, _ := exec.Command(testenv.Program(t, "ffprobe"), "-v", "quiet", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", cut).Output()
		if n, _ := strconv.Atoi(strings.TrimSpace(string(out))); n != want && n != want+1 {
			t.Errorf("%+v, %d bytes into a fragment: %d pictures play, want %d", c, c.at-whole[max(0, want-1)], n, want)
		}
	}
}

// Another size, or other parameter sets, are another piece: a file's header holds for all of it.
func TestMP4NewSizeStartsANewPiece(t *testing.T) {
	f, dir := newFilm(t, time.Second), t.TempDir()
	rec := f.start(record.Config{Dir: dir})
	f.feed(rec, time.Now())
	f.width = 192
	f.feed(rec, time.Now())
	f.feed(rec, time.Now())
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	names := films(t, dir)
	if len(names) != 2 {
		t.Fatalf("pieces: %v", names)
	}
	for i, name := range names {
		times, _ := plays(t, name)
		if size := entry(t, name, "stream=width"); len(times) != 2 || size != []string{"160", "192"}[i] {
			t.Errorf("piece %d: %d pictures of width %s", i, len(times), size)
		}
	}
}

// Pieces end at key frames, which are requested for it, and all together stay below the limit; a film that has no key frames is cut all the same.
func TestMP4PiecesAreBounded(t *testing.T) {
	const limit = 2 << 20
	f, dir := newFilm(t, time.Minute), t.TempDir()
	rec := f.start(record.Config{Dir: dir, MaxBytes: limit, PieceBytes: 200 << 10})
	sum := func() (n int64) {
		for _, name := range films(t, dir) {
			if info, err := os.Stat(name); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	testenv.Eventually(t, "the oldest piece is gone", func() bool {
		f.feed(rec, time.Now())
		if n := sum(); n > limit {
			t.Fatalf("%d bytes on the disk", n)
		}
		first := filepath.Base(films(t, dir)[0])
		return !strings.HasPrefix(first, "maixstream-00000001-")
	})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := sum(); n > limit || n < limit/2 {
		t.Errorf("%d bytes on the disk", n)
	}
	for _, name := range films(t, dir) {
		plays(t, name)
		if info, err := os.Stat(name); err != nil || info.Size() > 2*200<<10 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}

// A recorder that a slow disk holds up for longer than the log reaches goes on with a key frame, and counts what it has lost.
func TestMP4GoesOnWithAKeyFrameAfterASkip(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	slow := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&bytes.Buffer{}), zap.DebugLevel),
		zap.Hooks(func(e zapcore.Entry) error {
			if strings.HasPrefix(e.Message, "deleted") {
				select {
				case held <- struct{}{}:
				default:
				}
				<-hold
			}
			return nil
		}))
	f, dir := newFilm(t, time.Second), t.TempDir()
	rec := f.start(record.Config{Dir: dir, MaxBytes: 1 << 20, PieceBytes: 500 << 10, Log: slow})
	stuck := false
	testenv.Eventually(t, "the recorder waits for its disk", func() bool {
		f.publish(time.Now())
		select {
		case <-held:
			stuck = true
		case <-time.After(time.Millisecond):
		}
		return stuck
	})
	for range 1100 { // more than the log has
		f.publish(time.Now())
	}
	close(hold)
	testenv.Eventually(t, "it goes on", func() bool {
		f.publish(time.Now())
		return rec.State().Skipped > 0
	})
	frames := rec.State().Frames
	testenv.Eventually(t, "more is recorded", func() bool {
		f.publish(time.Now())
		return rec.State().Frames > frames+5
	})
	testenv.Eventually(t, "all is counted", func() bool {
		s := rec.State()
		return s.Frames+s.Skipped == uint64(f.made)
	})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range films(t, dir) {
		plays(t, name)
	}
}

// Slow rates have longer pieces: not one for each picture.
func TestMP4SlowPicturesShareAPiece(t *testing.T) {
	for _, fps := range []float64{0.15, 1.0 / 3600} {
		f, dir := newFilm(t, time.Second), t.TempDir()
		rec := f.start(record.Config{Dir: dir, FPS: fps})
		step := time.Duration(float64(time.Second) / fps)
		at := time.Now()
		for range 5 {
			at = at.Add(step)
			f.feed(rec, at)
		}
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		names := films(t, dir)
		if len(names) != 1 {
			t.Fatalf("%g fps: pieces %v", fps, names)
		}
		times, _ := plays(t, names[0])
		if d := time.Duration(times[5] * float64(time.Second)); len(times) != 6 || (d-5*step).Abs() > time.Second {
			t.Errorf("%g fps: %d pictures, the last at %v, want %v", fps, len(times), d, 5*step)
		}
	}
}

// A pause ends the piece; what comes after it begins the next one with a key frame.
func TestMP4PauseEndsThePiece(t *testing.T) {
	f, dir := newFilm(t, time.Hour), t.TempDir()
	rec := f.start(record.Config{Dir: dir})
	at := time.Now()
	for range 3 {
		at = at.Add(33 * time.Millisecond)
		f.feed(rec, at)
	}
	at = at.Add(20 * time.Second)
	for len(films(t, dir)) < 2 { // the key frame may be asked for twice a second only
		f.feed(rec, at)
		at = at.Add(33 * time.Millisecond)
		time.Sleep(10 * time.Millisecond)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	s, sum := rec.State(), 0
	for _, name := range films(t, dir) {
		times, _ := plays(t, name)
		sum += len(times)
	}
	if uint64(sum) != s.Frames || int(s.Frames+s.Skipped) != f.made {
		t.Errorf("%d pictures in the films of %d made: %+v", sum, f.made, s)
	}
}

func TestMP4SaysWhyThereIsNothing(t *testing.T) {
	f := newFilm(t, time.Second)
	missing := fmt.Errorf("there is no encoder")
	f.missing.Store(&missing)
	rec, err := record.Start(record.Config{Video: f, Dir: t.TempDir(), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	if s := rec.State(); s.Error != missing.Error() {
		t.Errorf("%+v", s)
	}
	f.missing.Store(nil)
	testenv.Eventually(t, "it is watched", func() bool { return f.watched.Load() == 1 })
	f.publish(time.Now())
	testenv.Eventually(t, "a picture is recorded", func() bool { s := rec.State(); return s.Frames == 1 && s.Error == "" })
}

// Films of both kinds in one folder are below one limit; the oldest go, whatever kind they are.
func TestBothKindsShareAFolder(t *testing.T) {
	f, r, dir := newFilm(t, time.Second), newRing(t), t.TempDir()
	avi, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 1 << 20, PieceBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		feed(t, r, avi, 160, 120, i, false, time.Now())
	}
	if err := avi.Close(); err != nil {
		t.Fatal(err)
	}
	old := pieces(t, dir)
	rec := f.start(record.Config{Dir: dir, MaxBytes: 1 << 20, PieceBytes: 100 << 10})
	testenv.Eventually(t, "the oldest film is gone", func() bool {
		f.feed(rec, time.Now())
		return len(pieces(t, dir)) < len(old)
	})
	if got := pieces(t, dir); len(old) < 2 || len(got) != 0 && got[0] != old[len(old)-len(got)] {
		t.Errorf("of %v remain %v", old, got)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if first := filepath.Base(films(t, dir)[0]); first < "maixstream-00000002" {
		t.Errorf("%s: the numbers do not go on", first)
	}
}
