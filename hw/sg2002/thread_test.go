//go:build linux && cgo

package sg2002

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

func newTestEvent(t *testing.T) (e *event, fd int) {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if e, err = newEvent(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.file.Close() })
	return e, fd
}

// TestEventIsAwaited: whether it comes before, while it is waited for, or never; each one ends one wait.
func TestEventIsAwaited(t *testing.T) {
	e, fd := newTestEvent(t)
	const soon = 20 * time.Millisecond
	if e.wait(soon) {
		t.Error("signalled without a signal")
	}
	raise(fd)
	if !e.wait(within) {
		t.Error("one that came before is not seen")
	}
	if e.wait(soon) {
		t.Error("one is seen twice")
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		raise(fd)
	}()
	if !e.wait(within) {
		t.Error("one that comes meanwhile is not seen")
	}
	raise(fd)
	if !e.wait(-time.Second) {
		t.Error("one that came just before the deadline is not seen")
	}
	if e.wait(-time.Second) {
		t.Error("signalled without a signal after the deadline")
	}
}

// garbageCounts says whether allocations are those of an ordinary build: AddressSanitizer wants variables on the heap that need not be there.
func garbageCounts() bool {
	info, _ := debug.ReadBuildInfo()
	return !slices.Contains(info.Settings, debug.BuildSetting{Key: "-asan", Value: "true"})
}

// TestEventsAllocateNothing: they are on the way of every frame.
func TestEventsAllocateNothing(t *testing.T) {
	e, fd := newTestEvent(t)
	if n := testing.AllocsPerRun(100, func() {
		raise(fd)
		e.wait(within)
	}); n != 0 && garbageCounts() {
		t.Errorf("%g objects", n)
	}
}

// TestPicturesCostNoCall of C and no garbage, on either path.
func TestPicturesCostNoCall(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0"}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 64, Height: 48, Path: path})
				var p frame.Picture
				read := func() {
					if err := camera.ReadJPEG(b.Context(), pictureMemory, &p); err != nil {
						b.Fatal(err)
					}
				}
				for range 20 {
					read()
				}
				const pictures = 100
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				calls := runtime.NumCgoCall()
				for range pictures {
					read()
				}
				calls = runtime.NumCgoCall() - calls
				runtime.ReadMemStats(&after)
				if calls != 0 {
					b.Errorf("%d calls of C for %d pictures", calls, pictures)
				}
				// The runtime's own come now and then.
				if n := after.Mallocs - before.Mallocs; n > pictures/10 && garbageCounts() {
					b.Errorf("%d objects allocated for %d pictures", n, pictures)
				}
				b.close(camera)
			})
		})
	}
}
