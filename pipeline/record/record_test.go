package record_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"go.uber.org/goleak"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Main(m)) }

func newRing(t *testing.T) *ring.Ring {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func picture(t *testing.T, width, height, i int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, width, height))
	for k := range img.Pix {
		img.Pix[k] = byte(k * (i + 3) * 2654435)
	}
	img.SetGray(0, 0, color.Gray{byte(i)})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// feed publishes a frame and waits until the recorder has it.
func feed(t *testing.T, r *ring.Ring, rec *record.Recorder, width, height, i int, substitute bool, at time.Time) {
	t.Helper()
	v, ok := r.Reserve()
	if !ok {
		t.Fatal("no free slot")
	}
	before := rec.State()
	p := frame.Picture{
		Size: copy(v.Buffer(r), picture(t, width, height, i)), Width: width, Height: height,
		Captured: at, Substitute: substitute,
	}
	if err := r.Publish(v, &p, time.Now()); err != nil {
		t.Fatal(err)
	}
	if substitute {
		time.Sleep(20 * time.Millisecond)
		return
	}
	for end := time.Now().Add(10 * time.Second); rec.State().Frames+rec.State().Skipped == before.Frames+before.Skipped; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("frame %d was not recorded: %+v", i, rec.State())
		}
	}
}

func pieces(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.avi"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// probe has ffprobe decode all of a file and returns its size, rate and number of frames.
func probe(t *testing.T, name string) (size, rate string, frames int) {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-count_frames", "-show_entries", "stream=width,height,avg_frame_rate,nb_read_frames",
		"-of", "csv=p=0", name).CombinedOutput()
	fields := strings.Split(strings.TrimSpace(string(out)), ",")
	if err != nil || len(fields) != 4 {
		t.Fatalf("ffprobe %s: %v: %s", name, err, out)
	}
	if frames, err = strconv.Atoi(fields[3]); err != nil {
		t.Fatalf("ffprobe %s: %s", name, out)
	}
	return fields[0] + "x" + fields[1], fields[2], frames
}

func TestPieceHasAllFramesButSubstitutesAtTheirRate(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 26 {
		feed(t, r, rec, 160, 120, i, i == 7, began.Add(time.Duration(i)*40*time.Millisecond))
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	names := pieces(t, dir)
	if len(names) != 1 {
		t.Fatalf("pieces: %v", names)
	}
	size, rate, frames := probe(t, names[0])
	if size != "160x120" || frames != 25 || rate != "24/1" {
		t.Errorf("%s, %d frames at %s; want 160x120, 25 frames at 24/1 (24 intervals in a second)", size, frames, rate)
	}
}

func TestNewSizeStartsANewPiece(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		feed(t, r, rec, 160+i/3*16, 120, i, false, time.Now())
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	names := pieces(t, dir)
	if len(names) != 2 {
		t.Fatalf("pieces: %v", names)
	}
	for i, name := range names {
		if size, _, frames := probe(t, name); frames != 3 || size != []string{"160x120", "176x120"}[i] {
			t.Errorf("piece %d: %s, %d frames", i, size, frames)
		}
	}
}

// The power may go at any byte: what is on the disk then must play.
func TestPieceThatWasCutOffPlays(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20, FPS: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		feed(t, r, rec, 160, 120, i, false, time.Now())
	}
	running, err := os.ReadFile(pieces(t, dir)[0]) // as it is on the disk, not finished
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.avi")
	if err := os.WriteFile(cut, running, 0o644); err != nil {
		t.Fatal(err)
	}
	if size, _, frames := probe(t, cut); frames != 10 || size != "160x120" {
		t.Errorf("a piece that was not finished: %s, %d frames, want 10", size, frames)
	}
	if err := os.WriteFile(cut, running[:len(running)-777], 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command(testenv.Program(t, "ffprobe"), "-v", "quiet", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", cut).Output()
	if frames, _ := strconv.Atoi(strings.TrimSpace(string(out))); frames < 9 {
		t.Errorf("a piece cut off in its tenth frame: %d frames play", frames)
	}
}

func TestOldestPiecesMakeRoom(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	foreign := filepath.Join(dir, "holiday.avi")
	if err := os.WriteFile(foreign, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "maixstream-20200101-000000.000000.avi")
	if err := os.WriteFile(old, make([]byte, 900<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 1 << 20, PieceBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	sum := func() (n int64) {
		for _, name := range pieces(t, dir) {
			if info, err := os.Stat(name); err == nil && name != foreign {
				n += info.Size()
			}
		}
		return n
	}
	for i := range 150 {
		feed(t, r, rec, 160, 120, i, false, time.Now())
		if n := sum(); n > 1<<20 {
			t.Fatalf("after %d frames: %d bytes on the disk", i, n)
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := sum(); n > 1<<20 || n < 700<<10 {
		t.Errorf("%d bytes on the disk, want nearly a MiB", n)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the oldest piece is still there")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a file that is not ours was deleted")
	}
	for _, name := range pieces(t, dir) {
		if name != foreign {
			probe(t, name)
		}
	}
}

// A disk that fails is tried again, and the ring's slots stay free meanwhile.
func TestFailingDiskIsTriedAgain(t *testing.T) {
	r := newRing(t)
	dir := filepath.Join(t.TempDir(), "card")
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil { // the card is pulled
		t.Fatal(err)
	}
	for i := range 30 {
		feed(t, r, rec, 160, 120, i, false, time.Now())
	}
	if s := rec.State(); s.Error == "" || s.Frames != 0 || s.Skipped < 30 {
		t.Errorf("state without a disk: %+v", s)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); rec.State().Frames == 0; time.Sleep(50 * time.Millisecond) {
		feed(t, r, rec, 160, 120, 1, false, time.Now())
		if time.Now().After(end) {
			t.Fatalf("not tried again: %+v", rec.State())
		}
	}
	if err := rec.Close(); err != nil {
		t.Error(err)
	}
}

func TestBadConfigs(t *testing.T) {
	r := newRing(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]record.Config{
		"too few":         {Ring: r, Dir: t.TempDir(), MaxBytes: 100},
		"not a directory": {Ring: r, Dir: file, MaxBytes: 1 << 20},
	} {
		if rec, err := record.Start(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", c, err, want)
			if rec != nil {
				rec.Close()
			}
		}
	}
}
