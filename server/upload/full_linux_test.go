package upload_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/server/upload"
)

// A full disk is reported, leaves no partial files, and is used again once there is room.
func TestFullDisk(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		testenv.Missing(t, "the right to mount a small disk", "run as root")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	s := receive(t, dir, nil)
	t.Cleanup(func() { stop(t, s) }) // before unmounting
	small, large := jpegOf(t, 1), noisy(t, 100<<10)
	kept := 0
	for ; kept < 100; kept++ {
		a := post(t, s, "?device=a", bytes.NewReader(large), headers{"Idempotency-Key": string(rune('a' + kept))})
		if a.OK {
			continue
		}
		if a.code != 507 || a.header.Get("Retry-After") == "" {
			t.Fatalf("%+v", a)
		}
		break
	}
	for range 200 { // fill it to the last block with small ones
		if a := post(t, s, "?device=b", bytes.NewReader(small), headers{"Idempotency-Key": "k"}); a.code == 507 {
			break
		} else if a.Duplicate {
			t.Fatal("the key of a picture that was not stored counts")
		}
		if a := post(t, s, "?device=b", bytes.NewReader(small), nil); a.code == 507 {
			break
		}
		if err := os.RemoveAll(filepath.Join(dir, "b", ".keys")); err != nil {
			t.Fatal(err)
		}
		stop(t, s)
		s = receive(t, dir, nil)
	}
	for _, name := range files(t, dir) {
		if b := read(t, dir, name); !bytes.Equal(b, large) && !bytes.Equal(b, small) {
			t.Errorf("%s: %d bytes, incomplete", name, len(b))
		}
	}
	st := s.State()
	if st.Pictures < kept || kept == 0 {
		t.Errorf("%d kept, %+v", kept, st)
	}
	// Room again.
	stop(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	s = receive(t, dir, nil)
	postOK(t, s, "?device=a", large, headers{"Idempotency-Key": "a"})

	// With a limit below the disk's size the disk never fills up.
	stop(t, s)
	s = receive(t, dir, func(c *upload.Config) { c.MaxBytes, c.MaxUpload = 300<<10, 200<<10 })
	for range 20 {
		postOK(t, s, "?device=a", large, nil)
	}
}
