package v4l2

// vivid has no JPEG, so this test acts as the driver within the package: it fills buffers and reports them as dequeued.

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// fake is a webcam with three buffers of 64 KiB, filled by deliver.
func fake(t *testing.T) (jpegCamera, func(index uint32, sequence uint32, flags uint32, data []byte)) {
	t.Helper()
	format, err := formatOf("MJPG")
	if err != nil {
		t.Fatal(err)
	}
	c := newCamera("/dev/fake", choice{mode: mode{format: format, width: 32, height: 16, fps: 30}, name: "/dev/fake (Fake)"}, Config{FPS: 30})
	for i := range uint32(3) {
		c.slots = append(c.slots, &slot{camera: c, index: i, memory: make([]byte, 64<<10)})
	}
	return jpegCamera{c}, func(index, sequence, flags uint32, data []byte) {
		copy(c.slots[index].memory, data)
		c.take(&buffer{index: index, sequence: sequence, flags: flags, bytesused: uint32(len(data))})
	}
}

func picture(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, image.NewYCbCr(image.Rect(0, 0, 32, 16), image.YCbCrSubsampleRatio422), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t *testing.T, c jpegCamera, dst []byte) (p frame.Picture, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = c.ReadJPEG(ctx, dst, &p)
	return p, err
}

func TestJPEGWebcam(t *testing.T) {
	good := picture(t)
	dht := bytes.Index(good, []byte{0xff, 0xc4})
	bare := append(append([]byte(nil), good[:dht]...), good[dht+2+int(good[dht+2])<<8+int(good[dht+3]):]...)
	c, deliver := fake(t)
	dst := make([]byte, 1<<16)
	broken := uint64(0)
	for i, test := range []struct {
		name  string
		flags uint32
		data  []byte
		want  error
	}{
		{"whole", 0, good, nil},
		{"trailing zeros", 0, append(good[:len(good):len(good)], make([]byte, 4000)...), nil},
		{"without Huffman tables", 0, bare, nil},
		{"truncated", 0, good[:len(good)-9], frame.ErrBadPicture},
		{"garbage", 0, []byte("garbage"), frame.ErrBadPicture},
		{"nothing", 0, nil, frame.ErrBadPicture},
		{"flagged", bufFlagError, good, frame.ErrBadPicture},
		{"complete again", 0, good, nil},
	} {
		deliver(uint32(i%3), uint32(100+2*i), test.flags, test.data)
		if test.want != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			var p frame.Picture
			err := c.ReadJPEG(ctx, dst, &p)
			cancel()
			broken++
			if n, why := c.Dropped(); !errors.Is(err, context.DeadlineExceeded) || n != broken || !errors.Is(why, test.want) {
				t.Fatalf("%s: %v, dropped %d: %v", test.name, err, n, why)
			}
			continue
		}
		p, err := read(t, c, dst)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if p.Sequence != uint64(1+2*i)-broken || p.Width != 32 || p.Height != 16 || time.Since(p.Captured) > time.Minute {
			t.Errorf("%s: %+v", test.name, p)
		}
		if _, err := jpeg.Decode(bytes.NewReader(dst[:p.Size])); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	deliver(0, 200, 0, good)
	if _, err := read(t, c, dst[:100]); !errors.Is(err, frame.ErrTooLarge) {
		t.Error(err)
	}
	if info := c.Info(); info.Encoder != "pass-through" || info.Width != 32 || info.FPS != 30 || info.Kind != "v4l2" {
		t.Errorf("%+v", info)
	}
}

func TestNewestPictureIsDelivered(t *testing.T) {
	good := picture(t)
	c, deliver := fake(t)
	for i := range uint32(5) {
		deliver(i%3, i, 0, good)
	}
	if p, err := read(t, c, make([]byte, 1<<16)); err != nil || p.Sequence != 5 {
		t.Errorf("%+v, %v", p, err)
	}
	// The driver's numbers have 32 bits.
	deliver(0, 0xffffffff, 0, good)
	p, _ := read(t, c, make([]byte, 1<<16))
	deliver(0, 2, 0, good)
	if after, err := read(t, c, make([]byte, 1<<16)); err != nil || after.Sequence != p.Sequence+3 {
		t.Errorf("%d after %d, %v", after.Sequence, p.Sequence, err)
	}
}

func TestCaptureTimeIsTheDrivers(t *testing.T) {
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		flags     uint32
		age, want time.Duration
	}{{bufFlagTimestampMonotonic, 500 * time.Millisecond, 500 * time.Millisecond}, {0, time.Second, 0}, {bufFlagTimestampMonotonic, time.Hour, 0}, {bufFlagTimestampMonotonic, -time.Hour, 0}} {
		b := buffer{flags: c.flags, timestamp: unix.NsecToTimeval(clock.Nano() - int64(c.age))}
		// The two clocks are read one after the other, and the kernel's is truncated to microseconds.
		if age := now.Sub(captureTime(&b, now)); age < c.want-time.Millisecond || age > c.want+10*time.Second/4 {
			t.Errorf("%+v: %v old", c, age)
		}
	}
}

func TestErrorsGiveAdvice(t *testing.T) {
	for errno, want := range map[unix.Errno]string{unix.EACCES: "usermod", unix.EBUSY: "fuser", unix.ENODEV: "unplugged", unix.ENOSPC: "USB bandwidth", unix.EIO: "cable", unix.ENOENT: "no such device", unix.ENOMEM: "memory"} {
		if err := explain("open", errno); !errors.Is(err, frame.ErrGone) || !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	if err := explain("open", unix.EINVAL); errors.Is(err, frame.ErrGone) {
		t.Error(err)
	}
}

func TestModeIsChosenBySizeRateAndFormat(t *testing.T) {
	mjpg, _ := formatOf("MJPG")
	yuyv, _ := formatOf("YUYV")
	modes := []mode{{yuyv, 640, 480, 30}, {mjpg, 640, 480, 30}, {yuyv, 1280, 720, 10}, {mjpg, 1280, 720, 30}, {yuyv, 800, 600, 30}, {mjpg, 800, 600, 15}}
	for _, c := range []struct {
		config Config
		want   mode
	}{
		{Config{Width: 640, Height: 480, FPS: 30}, modes[1]},
		{Config{Width: 1280, Height: 720, FPS: 30}, modes[3]},
		{Config{Width: 1280, Height: 720, FPS: 5}, modes[3]},
		{Config{Width: 800, Height: 600, FPS: 30}, modes[4]},
		{Config{Width: 800, Height: 600, FPS: 15}, modes[5]},
		{Config{Width: 1920, Height: 1080, FPS: 30}, modes[3]},
	} {
		best := modes[0]
		for _, m := range modes {
			if c.config.compare(m, best) < 0 {
				best = m
			}
		}
		if best != c.want {
			t.Errorf("%+v: %+v, want %+v", c.config, best, c.want)
		}
	}
}
