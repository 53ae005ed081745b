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

// TestEventIsAwaited: a signal before the wait, during it, or none at all; each signal ends one wait.
func TestEventIsAwaited(t *testing.T) {
	e, fd := newTestEvent(t)
	const soon = 20 * time.Millisecond
	if e.wait(soon) {
		t.Error("signalled without a signal")
	}
	raise(fd)
	if !e.wait(within) {
		t.Error("an earlier signal is not seen")
	}
	if e.wait(soon) {
		t.Error("a signal is seen twice")
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		raise(fd)
	}()
	if !e.wait(within) {
		t.Error("a signal during the wait is not seen")
	}
	raise(fd)
	if !e.wait(-time.Second) {
		t.Error("a signal just before the deadline is not seen")
	}
	if e.wait(-time.Second) {
		t.Error("signalled without a signal after the deadline")
	}
}

// garbageCounts reports whether allocations are those of a normal build: AddressSanitizer moves additional variables to the heap.
func garbageCounts() bool {
	info, _ := debug.ReadBuildInfo()
	return !slices.Contains(info.Settings, debug.BuildSetting{Key: "-asan", Value: "true"})
}

// TestEventsAllocateNothing: events are on the per-frame path.
func TestEventsAllocateNothing(t *testing.T) {
	e, fd := newTestEvent(t)
	if n := testing.AllocsPerRun(100, func() {
		raise(fd)
		e.wait(within)
	}); n != 0 && garbageCounts() {
		t.Errorf("%g objects", n)
	}
}

// TestPicturesNeedNoCgoCalls: reading pictures makes no cgo calls and no garbage, on either path.
func TestPicturesNeedNoCgoCalls(t *testing.T) {
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
					b.Errorf("%d cgo calls for %d pictures", calls, pictures)
				}
				// The runtime itself allocates now and then.
				if n := after.Mallocs - before.Mallocs; n > pictures/10 && garbageCounts() {
					b.Errorf("%d objects allocated for %d pictures", n, pictures)
				}
				b.close(camera)
			})
		})
	}
}
