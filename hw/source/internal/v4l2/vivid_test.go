//go:build linux && vivid

// These tests need the kernel's vivid driver as /dev/video0, root, and exclusive use of it: vivid/vm.sh provides such a machine.
package v4l2_test

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/sourcetest"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/hw/source/internal/v4l2"
)

const device = "/dev/video0"

func open(t testing.TB, c v4l2.Config) frame.RawSource {
	t.Helper()
	s, err := v4l2.Open(device, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(frame.RawSource)
}

func read(t testing.TB, s frame.RawSource, f *frame.Frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.ReadFrame(ctx, f); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Open: func(t testing.TB) frame.Source {
		return open(t, v4l2.Config{Width: 320, Height: 180, Formats: []string{"YUYV"}})
	}})
}

func TestInfoListsTheDevicesSizes(t *testing.T) {
	info := open(t, v4l2.Config{Width: 640, Height: 480}).Info()
	if info.Width != 640 || info.Height != 480 || info.Kind != "v4l2" || !strings.Contains(info.Name, "vivid") || !strings.Contains(info.Name, device) {
		t.Errorf("%+v", info)
	}
	for _, size := range []frame.Size{{Width: 320, Height: 180}, {Width: 640, Height: 480}, {Width: 1280, Height: 720}, {Width: 1920, Height: 1080}} {
		if !slices.Contains(info.Sizes, size) {
			t.Errorf("no %v in %v", size, info.Sizes)
		}
	}
}

func TestNearestSizeIsUsed(t *testing.T) {
	for _, c := range []struct{ wantW, wantH, w, h int }{{320, 180, 320, 180}, {300, 200, 320, 180}, {1, 1, 320, 180}, {1300, 700, 1280, 720}, {8192, 8192, 3840, 2160}} {
		info := open(t, v4l2.Config{Width: c.wantW, Height: c.wantH, FPS: 1, Buffers: 2, Formats: []string{"YUYV"}})
		if got := info.Info(); got.Width != c.w || got.Height != c.h {
			t.Errorf("asked for %dx%d: got %dx%d, want %dx%d", c.wantW, c.wantH, got.Width, got.Height, c.w, c.h)
		}
		info.Close()
	}
}

// pixel returns the colour of a pixel in any format.
func pixel(f *frame.Frame, x, y int) color.RGBA {
	at := func(plane, offset, y int) uint8 { return f.Planes[plane][y*f.Strides[plane]+offset] }
	yuv := func(luma, cb, cr uint8) color.RGBA {
		r, g, b := color.YCbCrToRGB(luma, cb, cr)
		return color.RGBA{r, g, b, 255}
	}
	switch f.Format {
	case frame.YUV420:
		return yuv(at(0, x, y), at(1, x/2, y/2), at(2, x/2, y/2))
	case frame.YUV422:
		return yuv(at(0, x, y), at(1, x/2, y), at(2, x/2, y))
	case frame.NV12:
		return yuv(at(0, x, y), at(1, x&^1, y/2), at(1, x|1, y/2))
	case frame.NV21:
		return yuv(at(0, x, y), at(1, x|1, y/2), at(1, x&^1, y/2))
	case frame.YUYV:
		return yuv(at(0, 2*x, y), at(0, 4*(x/2)+1, y), at(0, 4*(x/2)+3, y))
	case frame.RGB:
		return color.RGBA{at(0, 3*x, y), at(0, 3*x+1, y), at(0, 3*x+2, y), 255}
	case frame.BGR:
		return color.RGBA{at(0, 3*x+2, y), at(0, 3*x+1, y), at(0, 3*x, y), 255}
	}
	return yuv(at(0, x, y), 128, 128)
}

func TestEveryFormatShowsVividsColourBars(t *testing.T) {
	const v = 191 // three quarters
	bars := []color.RGBA{{v, v, v, 255}, {v, v, 0, 255}, {0, v, v, 255}, {0, v, 0, 255}, {v, 0, v, 255}, {v, 0, 0, 255}, {0, 0, v, 255}, {0, 0, 0, 255}}
	for _, c := range []struct {
		code   string
		format frame.Format
	}{
		{"YUYV", frame.YUYV}, {"NV12", frame.NV12}, {"NV21", frame.NV21}, {"YU12", frame.YUV420}, {"422P", frame.YUV422}, {"RGB3", frame.RGB}, {"BGR3", frame.BGR}, {"GREY", frame.Grey},
	} {
		t.Run(c.code, func(t *testing.T) {
			s := open(t, v4l2.Config{Width: 640, Height: 360, Formats: []string{c.code}})
			var f frame.Frame
			read(t, s, &f)
			defer f.Release()
			if err := f.Check(); err != nil || f.Format != c.format || f.Width != 640 || f.Height != 360 {
				t.Fatalf("%s %dx%d, %v", f.Format, f.Width, f.Height, err)
			}
			for i, want := range bars {
				if c.format == frame.Grey {
					// vivid weights grey by BT.709.
					luma := uint8(0.2126*float64(want.R) + 0.7152*float64(want.G) + 0.0722*float64(want.B))
					want = color.RGBA{luma, luma, luma, 255}
				}
				if got := pixel(&f, 40+80*i, 300); !near(got.R, want.R) || !near(got.G, want.G) || !near(got.B, want.B) {
					t.Errorf("bar %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}

func near(a, b uint8) bool { return max(a, b)-min(a, b) <= 6 }

func TestCheapestFormatIsChosen(t *testing.T) {
	s := open(t, v4l2.Config{})
	var f frame.Frame
	read(t, s, &f)
	if f.Format != frame.YUV420 { // vivid has no JPEG
		t.Errorf("got %s", f.Format)
	}
	f.Release()
}

func TestOpenByName(t *testing.T) {
	s, err := source.Open("v4l2:"+device+":yuyv", source.Options{Width: 320, Height: 180, FPS: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var f frame.Frame
	read(t, s.(frame.RawSource), &f)
	if f.Format != frame.YUYV || f.Width != 320 {
		t.Errorf("got %s %d", f.Format, f.Width)
	}
	f.Release()
}

func TestRateIsReduced(t *testing.T) {
	s := open(t, v4l2.Config{Width: 320, Height: 180, FPS: 30})
	if err := s.(frame.RateSetter).SetFPS(5); err != nil {
		t.Fatal(err)
	}
	if fps := s.Info().FPS; fps != 5 {
		t.Errorf("info says %g", fps)
	}
	var f frame.Frame
	read(t, s, &f)
	first, firstNumber := f.Captured, f.Sequence
	for range 10 {
		f.Release()
		read(t, s, &f)
	}
	if fps := 10 / f.Captured.Sub(first).Seconds(); fps > 6 || fps < 3 {
		t.Errorf("%.2f fps, want 5", fps)
	}
	if lost := f.Sequence - firstNumber - 10; lost > 5 {
		t.Errorf("intentionally dropped pictures count as lost: %d", lost)
	}
	f.Release()
}

func TestUnsuitableDevicesAreRejected(t *testing.T) {
	busy := open(t, v4l2.Config{Width: 320, Height: 180})
	for _, c := range []struct {
		device, want string
		gone         bool
	}{
		{device, "in use by another program", true},
		{"/dev/video77", "no such device (available: /dev/video0", true},
		{"/dev/null", "not a device that can stream video", false},
		{"/init", "not a device", false},
	} {
		_, err := v4l2.Open(c.device, v4l2.Config{})
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, frame.ErrGone) != c.gone {
			t.Errorf("%s: %v; want %q", c.device, err, c.want)
		}
	}
	busy.Close()
	if _, err := v4l2.Open(device, v4l2.Config{Formats: []string{"H264"}}); !errors.Is(err, frame.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := v4l2.Open(device, v4l2.Config{Formats: []string{"MJPG"}}); !errors.Is(err, frame.ErrUnsupported) || !strings.Contains(err.Error(), "YUYV") {
		t.Errorf("unsupported format: %v", err)
	}
}

func TestMissingPermission(t *testing.T) {
	if err := os.Chmod(device, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(device, 0o600)
	done := make(chan error)
	go func() { // own thread, which ends with the goroutine
		_ = unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 1000, ^uintptr(0)); errno != 0 {
			done <- errno
			return
		}
		_, err := v4l2.Open(device, v4l2.Config{})
		unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0))
		done <- err
	}()
	if err := <-done; err == nil || !errors.Is(err, frame.ErrGone) || !strings.Contains(err.Error(), "usermod") {
		t.Error(err)
	}
}

// press sets a vivid control by name; value 0 and up.
func press(t testing.TB, name string, value int32) {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	type query struct {
		id, kind uint32
		name     [32]byte
		numbers  [4]int32
		flags    uint32
		_        [2]uint32
	}
	const vidiocQuery, vidiocSet, next = 3<<30 | unsafe.Sizeof(query{})<<16 | 'V'<<8 | 36, 3<<30 | 8<<16 | 'V'<<8 | 28, 0x80000000
	q := query{id: next}
	var names []string
	for {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), vidiocQuery, uintptr(unsafe.Pointer(&q))); errno != 0 {
			t.Fatalf("vivid has no control %q; it has %q", name, names)
		}
		if got := unix.ByteSliceToString(q.name[:]); got == name {
			break
		}
		names = append(names, unix.ByteSliceToString(q.name[:]))
		q.id |= next
	}
	set := [2]int32{int32(q.id), value}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), vidiocSet, uintptr(unsafe.Pointer(&set))); errno != 0 {
		t.Fatalf("set %s: %v", name, errno)
	}
}

// A picture that the device flags as damaged is dropped and counted, and the next good one is delivered.
func TestDamagedPicturesAreDropped(t *testing.T) {
	s := open(t, v4l2.Config{Width: 320, Height: 180})
	dropper := s.(frame.Dropper)
	var f frame.Frame
	for i := range uint64(3) {
		read(t, s, &f)
		f.Release()
		press(t, "Inject V4L2_BUF_FLAG_ERROR", 1)
		for start := time.Now(); ; {
			read(t, s, &f)
			f.Release()
			n, why := dropper.Dropped()
			if n > i {
				if !errors.Is(why, frame.ErrBadPicture) {
					t.Errorf("dropped because of %v", why)
				}
				break
			}
			if time.Since(start) > 20*time.Second {
				t.Fatal("no damaged picture")
			}
		}
	}
	read(t, s, &f)
	f.Release()
}

func TestDeviceFailsToStart(t *testing.T) {
	press(t, "Inject VIDIOC_STREAMON Error", 1)
	if _, err := v4l2.Open(device, v4l2.Config{}); err == nil || !strings.Contains(err.Error(), "start") {
		t.Error(err)
	}
	open(t, v4l2.Config{})
}

// gone reads until the source reports that its device is gone.
func gone(t *testing.T, s frame.RawSource) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		var f frame.Frame
		err := s.ReadFrame(ctx, &f)
		if errors.Is(err, frame.ErrGone) {
			t.Logf("%v", err)
			return
		}
		if err != nil && !errors.Is(err, frame.ErrBadPicture) {
			t.Fatal(err)
		}
		f.Release()
	}
}

func TestFatalErrorWhileStreaming(t *testing.T) {
	s := open(t, v4l2.Config{Width: 320, Height: 180})
	var f frame.Frame
	read(t, s, &f)
	f.Release()
	press(t, "Inject Fatal Streaming Error", 1)
	gone(t, s)
	s.Close()
	read(t, open(t, v4l2.Config{Width: 320, Height: 180}), &f)
	f.Release()
}

// unplug removes the device from a source with how, and restores it with back.
func unplug(t *testing.T, how, back func(t *testing.T)) {
	s := open(t, v4l2.Config{Width: 320, Height: 180})
	var held, f frame.Frame
	read(t, s, &held)
	how(t)
	gone(t, s)
	if err := held.Check(); err != nil || !near(pixel(&held, 20, 150).R, 191) {
		t.Error("a held frame lost its picture when the device disappeared", err)
	}
	if again, err := v4l2.Open(device, v4l2.Config{}); !errors.Is(err, frame.ErrGone) {
		t.Errorf("open without the device: %v", err)
		if err == nil {
			again.Close()
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	held.Release()
	back(t)
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) { // the node appears a little later
		s, err := v4l2.Open(device, v4l2.Config{Width: 320, Height: 180})
		if err == nil {
			read(t, s.(frame.RawSource), &f)
			f.Release()
			s.Close()
			return
		}
		if !errors.Is(err, frame.ErrGone) || time.Since(start) > 20*time.Second {
			t.Fatalf("the device is back, but cannot be opened: %v", err)
		}
	}
}

func rebind(what string) func(t *testing.T) {
	return func(t *testing.T) {
		if err := os.WriteFile("/sys/bus/platform/drivers/vivid/"+what, []byte("vivid.0"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDisconnectedWhileStreaming(t *testing.T) {
	// vivid reconnects itself when its last user has closed it.
	unplug(t, func(t *testing.T) { press(t, "Disconnect", 1) }, func(*testing.T) {})
}

func TestDriverUnboundWhileStreaming(t *testing.T) {
	unplug(t, rebind("unbind"), rebind("bind"))
}

func TestReaderHoldingAllFrames(t *testing.T) {
	s := open(t, v4l2.Config{Width: 320, Height: 180, Buffers: 3})
	var held [2]frame.Frame
	for i := range held {
		read(t, s, &held[i])
	}
	if held[0].Sequence >= held[1].Sequence || &held[0].Planes[0][0] == &held[1].Planes[0][0] {
		t.Error("two frames in one buffer")
	}
	time.Sleep(100 * time.Millisecond)
	for i := range held {
		held[i].Release()
	}
	var f frame.Frame
	for range 3 {
		read(t, s, &f)
		if age := time.Since(f.Captured); age > 5*time.Second {
			t.Errorf("frame is %v old", age)
		}
		f.Release()
	}
}

func TestReopeningLeaksNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // keep leaks visible
	before := mapped(t)
	for i := range 20 {
		s := open(t, v4l2.Config{Width: 640, Height: 480, Formats: []string{[]string{"YUYV", "NV12"}[i%2]}})
		var f frame.Frame
		read(t, s, &f)
		s.Close()
		f.Release()
	}
	if after := mapped(t); after > before {
		t.Errorf("%d mappings of the device before, %d after", before, after)
	}
	open(t, v4l2.Config{FPS: math.Inf(1)})
}

func mapped(t *testing.T) int {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), device)
}

func BenchmarkRead(b *testing.B) {
	for _, code := range []string{"YUYV", "YU12"} {
		b.Run(fmt.Sprint(code), func(b *testing.B) {
			s := open(b, v4l2.Config{Width: 640, Height: 360, Formats: []string{code}})
			b.ReportAllocs()
			for b.Loop() {
				var f frame.Frame
				read(b, s, &f)
				f.Release()
			}
		})
	}
}

// The stream stops for a picture of the largest size and then resumes; held frames stay unchanged.
func TestLargerPictureWhileStreaming(t *testing.T) {
	s := open(t, v4l2.Config{Width: 320, Height: 180, Formats: []string{"YUYV"}, Still: true})
	opener := s.(frame.StillOpener)
	if size := opener.StillSize(); size != (frame.Size{Width: 3840, Height: 2160}) {
		t.Errorf("%+v", size)
	}
	c := s.(frame.Controller)
	keep(t)
	var held, f frame.Frame
	read(t, s, &held)
	for i := range 2 {
		larger, err := opener.OpenStill(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		read(t, larger.(frame.RawSource), &f)
		if err := f.Check(); err != nil || f.Width != 3840 || f.Height != 2160 || !near(pixel(&f, 20, 2000).R, 191) {
			t.Errorf("%dx%d %v", f.Width, f.Height, err)
		}
		f.Release()
		for len(c.ControlsChanged()) > 0 {
			<-c.ControlsChanged()
		}
		v4l2ctl(t, "-c", fmt.Sprintf("integer_32_bits=%d", 100+i)) // while the stream is stopped
		if err := errors.Join(larger.Close(), larger.Close()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.ControlsChanged():
		default:
			t.Error("the change was not announced when the stream resumed")
		}
		last := held.Sequence
		for range 3 {
			read(t, s, &f)
			if f.Width != 320 || f.Height != 180 || f.Sequence <= last || !near(pixel(&f, 20, 150).R, 191) {
				t.Errorf("the stream resumed with %dx%d, number %d after %d", f.Width, f.Height, f.Sequence, last)
			}
			last = f.Sequence
			f.Release()
		}
	}
	if err := held.Check(); err != nil || !near(pixel(&held, 20, 150).R, 191) {
		t.Error("a held frame lost its picture", err)
	}
	for len(c.ControlsChanged()) > 0 {
		<-c.ControlsChanged()
	}
	before := frame.FindControl(ours(t, c), "brightness").Value
	v4l2ctl(t, "-c", fmt.Sprintf("brightness=%d", before^1))
	select { // events are subscribed to again
	case <-c.ControlsChanged():
	case <-time.After(20 * time.Second):
		t.Error("no change was announced")
	}
	v4l2ctl(t, "-c", fmt.Sprintf("brightness=%d", before))

	larger, err := opener.OpenStill(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	var end error
	for end == nil { // until the stream, closed while stopped, ends
		end = s.ReadFrame(t.Context(), &f)
	}
	if !errors.Is(end, frame.ErrEnd) {
		t.Error(end)
	}
	if err := errors.Join(larger.Close(), <-closed); err != nil && !errors.Is(err, frame.ErrEnd) {
		t.Error(err)
	}
	held.Release()
	if _, err := opener.OpenStill(t.Context()); !errors.Is(err, frame.ErrEnd) {
		t.Error(err)
	}
	if _, err := open(t, v4l2.Config{Width: 320, Height: 180}).(frame.StillOpener).OpenStill(t.Context()); !errors.Is(err, frame.ErrUnsupported) {
		t.Error(err)
	}
}

// Signals interrupt waits for the device's lock, also in the poll function. The Go runtime sends them to preempt threads; here, all threads get many.
func TestSignalsDoNotStopTheStream(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			threads, _ := os.ReadDir("/proc/self/task")
			for _, thread := range threads {
				if id, err := strconv.Atoi(thread.Name()); err == nil {
					_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG)
				}
			}
		}
	}()
	for i := range 6 {
		s := open(t, v4l2.Config{Width: 3840, Height: 2160, FPS: 2, Buffers: 2, Formats: []string{"YUYV"}}) // vivid holds the lock while it draws
		for range 3 {
			var f frame.Frame
			read(t, s, &f)
			f.Release()
		}
		if err := s.Close(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
