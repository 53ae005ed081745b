package push_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/pipeline/push"
)

// smallDisk mounts a disk of 2 MiB.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getuid() == 0 {
			t.Fatalf("mount: %v", err)
		}
		testenv.Unable(t, "needs root, to mount a small disk")
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// large returns pictures of 200 KiB.
func large(total int) (shots [][]byte) {
	for i := range total {
		shots = append(shots, append([]byte{0xff, 0xd8, 0xff, byte(i)}, bytes.Repeat([]byte{byte(i)}, 200<<10)...))
	}
	return shots
}

func TestFileSourceWaitsForDiskSpace(t *testing.T) {
	dir, shots := smallDisk(t), large(30)
	full := make(chan struct{})
	c := newCollector()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-full
		c.ServeHTTP(w, r)
	}))
	p := newPusher(t, push.Config{URL: s.URL, Spool: dir, SpoolMax: 64 << 20})
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background(), &list{shots: shots}) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		var disk unix.Statfs_t
		if err := unix.Statfs(dir, &disk); err != nil {
			t.Fatal(err)
		}
		if disk.Bfree*uint64(disk.Bsize) < 200<<10 || time.Now().After(deadline) {
			break
		}
	}
	close(full)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all := c.all()
	if state := p.State(); len(all) != len(shots) || state.GivenUp != 0 || state.Spool.Dropped != 0 || state.Spool.Waiting != 0 {
		t.Fatalf("%d arrived, %+v, %+v", len(all), state, *state.Spool)
	}
	for i, one := range all {
		if !bytes.Equal(one.data, shots[i]) {
			t.Errorf("arrival %d is another picture", i)
		}
	}
}

func TestSpoolDropsOldestOnFullDisk(t *testing.T) {
	const total = 30
	dir, shots := smallDisk(t), large(total)
	state := keep(t, dir, 64<<20, shots)
	if s := state.Spool; s.Kept != total || s.Waiting+int(s.Dropped) != total || s.Waiting < 5 || s.Waiting > 10 || state.GivenUp != 0 {
		t.Fatalf("%+v %+v", state, *s)
	}
	all, after := deliver(t, dir, 64<<20)
	if len(all) != state.Spool.Waiting || after.Spool.Damaged != 0 {
		t.Fatalf("%d arrived of %d, %+v", len(all), state.Spool.Waiting, *after.Spool)
	}
	for i, one := range all {
		if want := total - len(all) + i; !bytes.Equal(one.data, shots[want]) {
			t.Errorf("arrival %d is not picture %d", i, want)
		}
	}
	if parts, _ := os.ReadDir(dir); len(parts) != 1 { // the lock file
		t.Errorf("left: %v", parts)
	}

	// Nothing to drop: the picture is given up, which is reported, and the next one is tried.
	if err := os.WriteFile(dir+"/other", make([]byte, 3<<20), 0o600); err == nil {
		t.Fatal("the disk should be full")
	}
	var outcomes results
	p := newPusher(t, push.Config{URL: "http://127.0.0.1:1/", Spool: dir, OnResult: outcomes.add})
	if err := p.Run(t.Context(), &list{shots: shots[:2]}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes.list(); len(got) != 2 || got[0].Err == nil || p.State().GivenUp != 2 {
		t.Errorf("outcomes %+v, %+v", got, p.State())
	}
}
