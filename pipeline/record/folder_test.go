package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/ring"
)

func sizeOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, name := range pieces(t, dir) {
		if info, err := os.Stat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

// Several programs record into one folder: all together they stay below the limit, and none of them is starved.
func TestSeveralRecordersShareTheRoom(t *testing.T) {
	const limit = 2 << 20
	dir := t.TempDir()
	var recorders []*record.Recorder
	var rings []*ring.Ring
	for range 3 {
		r := newRing(t)
		rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: limit, PieceBytes: 100 << 10})
		if err != nil {
			t.Fatal(err)
		}
		rings, recorders = append(rings, r), append(recorders, rec)
	}
	for i := range 250 {
		for k, rec := range recorders {
			feed(t, rings[k], rec, 160, 120, i, false, time.Now())
		}
		if n := sizeOf(t, dir); n > limit {
			t.Fatalf("after %d frames each: %d bytes on the disk", i+1, n)
		}
	}
	for k, rec := range recorders {
		s := rec.State()
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
		if s.Frames != 250 || s.Skipped != 0 || s.Error != "" {
			t.Errorf("recorder %d: %+v", k, s)
		}
	}
	if n := sizeOf(t, dir); n < limit*3/4 || n > limit {
		t.Errorf("%d bytes in the end", n)
	}
	for _, name := range pieces(t, dir) {
		probe(t, name)
	}
}

// A folder that goes away while a piece in it is open is noticed within seconds, said, and used again as soon as it is back.
func TestAFolderThatIsRemovedAndMadeAgain(t *testing.T) {
	for name, lose := range map[string]func(dir string) error{
		"removed":      os.RemoveAll,
		"moved away":   func(dir string) error { return os.Rename(dir, dir+"-old") },
		"piece moved":  func(dir string) error { return os.Rename(one(dir), filepath.Join(dir, "mine.avi")) },
		"piece gone":   func(dir string) error { return os.Remove(one(dir)) },
		"made at once": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o750)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newRing(t), filepath.Join(t.TempDir(), "card")
			core, seen := observer.New(zap.ErrorLevel)
			rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 8 << 20, Log: zap.New(core)})
			if err != nil {
				t.Fatal(err)
			}
			feed(t, r, rec, 160, 120, 0, false, time.Now())
			if err := lose(dir); err != nil {
				t.Fatal(err)
			}
			i := 1
			until := func(what string, done func() bool) {
				t.Helper()
				for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("not within 30 s: %s: %+v", what, rec.State())
					}
					feed(t, r, rec, 160, 120, i, false, time.Now())
					i++
				}
			}
			until("it is noticed", func() bool { return rec.State().Failed != "" })
			if s := rec.State(); s.Frames != 0 && !strings.Contains(s.File, dir) || seen.Len() == 0 || !strings.Contains(s.Failed, "removed") {
				t.Errorf("%+v, %d log lines", s, seen.Len())
			}
			if err := os.MkdirAll(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			until("it goes on", func() bool { return rec.State().Error == "" && rec.State().Frames >= 3 })
			frames := rec.State().Frames
			if err := rec.Close(); err == nil || !strings.Contains(err.Error(), "removed") {
				t.Errorf("Close forgot the piece that was lost: %v", err)
			}
			if _, _, n := probe(t, one(dir)); uint64(n) != frames {
				t.Errorf("%d frames in the new piece, %d counted", n, frames)
			}
		})
	}
}

// one is the only piece in a folder.
func one(dir string) string {
	names, _ := filepath.Glob(filepath.Join(dir, "maixstream-*.avi"))
	if len(names) != 1 {
		return filepath.Join(dir, "not one piece")
	}
	return names[0]
}

func TestRecordingsAreNotForEverybody(t *testing.T) {
	r, dir := newRing(t), filepath.Join(t.TempDir(), "a", "b")
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, r, rec, 160, 120, 0, false, time.Now())
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o750, dir: 0o750, one(dir): 0o640} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^want != 0 {
			t.Errorf("%s: %v, %v, want %o at most", path, info.Mode(), err, want)
		}
	}
}

// Switching off waits for the disk; whoever asks for the state meanwhile does not.
func TestTheStateWaitsForNoDisk(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	hold := make(chan struct{})
	s := record.NewSwitch(record.Config{Ring: r, Dir: dir, MaxBytes: 8 << 20, Watch: func() func() { return func() { <-hold } }})
	if err := s.Set(true); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "frames are recorded", func() bool {
		if v, ok := r.Reserve(); ok {
			p := frame.Picture{Size: copy(v.Buffer(r), picture(t, 32, 32, 1)), Width: 32, Height: 32, Captured: time.Now()}
			if err := r.Publish(v, &p, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		return s.State().Frames > 0
	})
	var off sync.WaitGroup
	off.Go(func() {
		if err := s.Set(false); err != nil {
			t.Error(err)
		}
	})
	testenv.Eventually(t, "it is off", func() bool { return !s.State().On })
	if state := s.State(); state.Frames == 0 || state.Dir != dir { // Set has not returned: hold is open
		t.Errorf("%+v", state)
	}
	close(hold)
	off.Wait()
}

func TestStartWithoutARing(t *testing.T) {
	if rec, err := record.Start(record.Config{Dir: t.TempDir(), MaxBytes: 8 << 20}); err == nil {
		rec.Close()
		t.Error("no error")
	}
}

// A piece with a picture every 100 seconds is not taken for one that nobody writes any more.
func TestPieceOfSlowPicturesLooksWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, dir := newRing(t), t.TempDir()
		rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 8 << 20, FPS: 0.01})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			feed(t, r, rec, 160, 120, i, false, time.Now())
			time.Sleep(95 * time.Second)
			info, err := os.Stat(rec.State().File)
			if err != nil {
				t.Fatal(err)
			}
			if age := time.Since(info.ModTime()); age > 30*time.Second {
				t.Errorf("written %v ago", age)
			}
		}
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
		if names := pieces(t, dir); len(names) != 1 {
			t.Errorf("%d pieces", len(names))
		}
	})
}
