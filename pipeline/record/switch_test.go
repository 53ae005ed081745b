package record_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/record"
)

func TestSwitch(t *testing.T) {
	r, dir := newRing(t), filepath.Join(t.TempDir(), "recordings")
	s := record.NewSwitch(record.Config{Ring: r, Dir: dir, MaxBytes: 8 << 20})
	if state := s.State(); state.On || state.Dir != dir {
		t.Errorf("at first: %+v", state)
	}
	for round := 1; round <= 2; round++ {
		for range 2 { // it is on already
			if err := s.Set(true); err != nil {
				t.Fatal(err)
			}
		}
		for end := time.Now().Add(20 * time.Second); s.State().Frames < 3; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("round %d: not three frames in 20 s: %+v", round, s.State())
			}
			v, ok := r.Reserve()
			if !ok {
				continue
			}
			p := frame.Picture{Size: copy(v.Buffer(r), picture(t, 32, 32, 1)), Width: 32, Height: 32, Captured: time.Now()}
			if err := r.Publish(v, &p, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if state := s.State(); !state.On || state.File == "" || state.Error != "" {
			t.Errorf("round %d, on: %+v", round, state)
		}
		for range 2 {
			if err := s.Set(false); err != nil {
				t.Fatal(err)
			}
		}
		if state := s.State(); state.On || state.File != "" || state.Frames < 3 {
			t.Errorf("round %d, off: %+v", round, state)
		}
		if pieces, _ := filepath.Glob(filepath.Join(dir, "*.avi")); len(pieces) != round {
			t.Errorf("round %d: pieces %v", round, pieces)
		}
	}
	// A folder that cannot be made is told, and tried again at the next wish.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(true); err == nil || s.State().On || s.State().Error == "" {
		t.Errorf("a file in the folder's place: %v, %+v", err, s.State())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(true); err != nil || !s.State().On || s.State().Error != "" {
		t.Errorf("its place is free: %v, %+v", err, s.State())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
