package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/record"
)

// smallDisk mounts a disk of 1 MiB.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Unable(t, "a file system cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// A disk that is full before the limit is reached: the oldest pieces go, and no frame is lost.
func TestOnAFullDiskTheOldestPieceGoes(t *testing.T) {
	r, dir := newRing(t), smallDisk(t)
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20, PieceBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		feed(t, r, rec, 160, 120, i, false, time.Now())
	}
	s := rec.State()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Frames != 300 || s.Skipped != 0 || s.Error != "" || s.Failed != "" {
		t.Errorf("%+v", s)
	}
	names := pieces(t, dir)
	if len(names) < 5 {
		t.Errorf("pieces: %v", names)
	}
	for _, name := range names {
		probe(t, name)
	}
}

// With nothing old to delete the recorder says so, and goes on when there is room again, by itself.
func TestADiskThatOthersHaveFilledHeals(t *testing.T) {
	r, dir := newRing(t), smallDisk(t)
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	feed(t, r, rec, 160, 120, 0, false, time.Now())
	if s := rec.State(); s.Frames != 0 || !strings.Contains(s.Error, "no space left") {
		t.Errorf("%+v", s)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it goes on", func() bool {
		feed(t, r, rec, 160, 120, 1, false, time.Now())
		return rec.State().Frames > 0 && rec.State().Error == ""
	})
	if err := rec.Close(); err != nil {
		t.Error(err)
	}
}

// A piece whose index finds no room is logged, kept in the state, and what Close returns; it plays all the same.
func TestAFailedEndOfAPieceIsTold(t *testing.T) {
	r, dir := newRing(t), smallDisk(t)
	core, seen := observer.New(zap.ErrorLevel)
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	const frames = 300 // whose index needs another page of the disk
	for i := range frames {
		feed(t, r, rec, 16, 16, i, false, time.Now())
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for range 2 {
		if err := rec.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "index") {
			t.Errorf("Close: %v", err)
		}
	}
	if s := rec.State(); !strings.Contains(s.Failed, "no space left") || !strings.Contains(s.Error, "no space left") || s.File != "" {
		t.Errorf("%+v", s)
	}
	if seen.FilterMessageSnippet("finishing a recording failed").Len() != 1 {
		t.Errorf("log: %v", seen.All())
	}
	if _, _, n := probe(t, one(dir)); n != frames {
		t.Errorf("%d frames play, want %d", n, frames)
	}
}

// The same of H.264: the oldest film goes, and nothing is lost.
func TestMP4OnAFullDiskTheOldestPieceGoes(t *testing.T) {
	f, dir := newFilm(t, time.Second), smallDisk(t)
	rec := f.start(record.Config{Dir: dir, PieceBytes: 200 << 10})
	testenv.Eventually(t, "the oldest film is gone", func() bool {
		f.feed(rec, time.Now())
		return !strings.HasPrefix(filepath.Base(films(t, dir)[0]), "maixstream-00000001-")
	})
	s := rec.State()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Frames != uint64(f.made) || s.Skipped != 0 || s.Error != "" || s.Failed != "" {
		t.Errorf("%+v", s)
	}
	for _, name := range films(t, dir) {
		plays(t, name)
	}
}

// A film that others' files leave no room for ends; the next one begins with a key frame when there is room.
func TestMP4OnADiskThatOthersHaveFilledHeals(t *testing.T) {
	f, dir := newFilm(t, time.Hour), smallDisk(t)
	core, seen := observer.New(zap.ErrorLevel)
	rec := f.start(record.Config{Dir: dir, Log: zap.New(core)})
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	testenv.Eventually(t, "the disk is full for the recorder, too", func() bool {
		f.feed(rec, time.Now())
		return strings.Contains(rec.State().Error, "no space left")
	})
	if seen.FilterMessageSnippet("recording failed").Len() == 0 {
		t.Errorf("log: %v", seen.All())
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	frames := rec.State().Frames
	testenv.Eventually(t, "it goes on", func() bool {
		f.feed(rec, time.Now())
		return rec.State().Error == "" && rec.State().Frames > frames
	})
	if err := rec.Close(); err != nil && !strings.Contains(err.Error(), "no space left") {
		t.Error(err)
	}
	for _, name := range films(t, dir) {
		plays(t, name)
	}
}
