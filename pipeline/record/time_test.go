package record_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/pipeline/record"
)

var (
	year1970 = time.Unix(42, 0)
	year2026 = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
)

// A device without a clock's battery begins in 1970 and learns the time later; a camera's own clock may be set at any moment. One piece has it all, at the
// rate of its frames.
func TestCaptureTimesThatJumpSpoilNoPiece(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"1970 to now": year2026.Sub(year1970), "now to 1970": year1970.Sub(year2026), "an hour on": time.Hour, "an hour back": -time.Hour,
		"two minutes on": 2 * time.Minute, "a second back": -time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRing(t), t.TempDir()
			rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20})
			if err != nil {
				t.Fatal(err)
			}
			at := year2026
			began := time.Now()
			for i := range 20 {
				if i == 10 {
					at = at.Add(jump)
				}
				feed(t, r, rec, 160, 120, i, false, at)
				at = at.Add(100 * time.Millisecond)
			}
			took := time.Since(began)
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			names := pieces(t, dir)
			if len(names) != 1 {
				t.Fatalf("pieces: %v", names)
			}
			_, rate, frames := probe(t, names[0])
			var num, den float64
			fmt.Sscanf(rate, "%f/%f", &num, &den)
			// 18 steps of 100 ms, and one that only the monotonic clock tells.
			if fastest, slowest := 19/1.8, 19/(1.8+took.Seconds()); frames != 20 || num/den > fastest+.1 || num/den < slowest-.1 {
				t.Errorf("%d frames at %s, want 20 at %.2f to %.2f", frames, rate, slowest, fastest)
			}
		})
	}
}

// What was recorded first goes first, whatever the clock said then.
func TestTheOldestPieceIsTheOneRecordedFirst(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	write := func(name string, modified time.Time) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 300<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
		return path
	}
	order := []string{
		// Of versions that did not number them: by when they were written.
		write("maixstream-20250101-000000.000000.avi", year2026.AddDate(-1, 0, 0)),
		write("maixstream-19700101-000042.000000.avi", year2026),
		// Numbered: by the number, whatever clock the name or the file is from.
		write("maixstream-00000007-20261128-120000.avi", year2026),
		write("maixstream-00000008-19700101-000042.avi", year1970),
		write("maixstream-00000009-20261128-110000.avi", year2026.Add(-time.Hour)),
	}
	foreign := write("maixstream-holiday.mp4", year1970)
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 1600 << 10, PieceBytes: 250 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for i := 0; len(gone) < len(order); i++ {
		feed(t, r, rec, 160, 120, i, false, year1970.Add(time.Duration(i)*time.Second))
		for _, path := range order {
			if _, err := os.Stat(path); os.IsNotExist(err) && !strings.Contains(strings.Join(gone, " "), path) {
				gone = append(gone, path)
			}
		}
		if i > 2000 {
			t.Fatalf("after %d frames only %v are gone", i, gone)
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range order {
		if gone[i] != order[i] {
			t.Errorf("gone as number %d: %s, want %s", i+1, filepath.Base(gone[i]), filepath.Base(order[i]))
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	for _, name := range pieces(t, dir) {
		if !strings.Contains(name, "maixstream-000000") || filepath.Base(name) < "maixstream-00000010" {
			t.Errorf("%s: want numbers that go on from 9", name)
		}
	}
}

// Slow rates have longer pieces: not one for each frame.
func TestSlowFramesShareAPiece(t *testing.T) {
	for _, fps := range []float64{0.15, 1.0 / 3600} {
		r, dir := newRing(t), t.TempDir()
		rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20, FPS: fps})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for i := range 5 {
			feed(t, r, rec, 160, 120, i, false, at)
			at = at.Add(time.Duration(float64(time.Second) / fps))
		}
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		names := pieces(t, dir)
		if len(names) != 1 {
			t.Fatalf("%g fps: pieces %v", fps, names)
		}
		if _, _, frames := probe(t, names[0]); frames != 5 {
			t.Errorf("%g fps: %d frames", fps, frames)
		}
	}
	if testing.Short() {
		return
	}
	// The same in real time, at a rate that nobody told the recorder: from the third frame on it knows.
	r, dir := newRing(t), t.TempDir()
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		feed(t, r, rec, 160, 120, i, false, time.Now())
		time.Sleep(6 * time.Second)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if names := pieces(t, dir); len(names) != 2 {
		t.Errorf("pieces %v, want one for the first frame and one for the others", names)
	}
}
