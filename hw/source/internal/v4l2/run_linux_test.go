package v4l2

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
)

// falselyReady opens a webcam whose descriptor always reports EPOLLERR. has reports whether its driver has a picture to dequeue.
func falselyReady(t *testing.T, has func() bool) jpegCamera {
	t.Helper()
	c, _ := fake(t)
	jpg := picture(t)
	queued := make(chan uint32, len(c.slots))
	for i, s := range c.slots {
		copy(s.memory, jpg)
		queued <- uint32(i)
	}
	c.driver = func(request uintptr, b *buffer) error {
		if request == vidiocQueue {
			queued <- b.index
			return nil
		}
		if !has() {
			return unix.EAGAIN
		}
		b.index, b.bytesused = <-queued, uint32(len(jpg))
		return nil
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	unix.Close(pipe[0]) // without a reader, the other end reports EPOLLERR
	c.fd = pipe[1]
	var err error
	if c.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	c.camera.stopped = make(chan struct{})
	go c.run()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A driver whose poll function was interrupted by a signal reports an error that the device does not have.
func TestFalseErrorDoesNotEndTheStream(t *testing.T) {
	var asked atomic.Int32
	c := falselyReady(t, func() bool { return asked.Add(1)%5 == 0 })
	for range 3 {
		if _, err := read(t, c, make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
}

// A device that wakes us without ever having a picture is gone after the usual time, and is not asked in a tight loop.
func TestDeviceThatIsReadyWithoutPictures(t *testing.T) {
	testenv.Long(t, "waits for five seconds")
	var asked atomic.Int32
	c := falselyReady(t, func() bool { asked.Add(1); return false })
	begin := time.Now()
	_, err := read(t, c, make([]byte, 64<<10))
	if took := time.Since(begin); !errors.Is(err, frame.ErrGone) || !strings.Contains(err.Error(), "no picture for 5s") || took < silence-time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if n := asked.Load(); n > int32(2*silence/falseAlarm) {
		t.Errorf("asked %d times", n)
	}
}
