package v4l2

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for a device's pictures and events. It does so in the runtime's poller: a blocking poll(2) for each picture would hold one of the
// scheduler's processors for up to 10 ms. That poller does not ask for EPOLLPRI, which announces events, so an epoll instance stands between.
type waiter struct {
	file         *os.File
	conn         syscall.RawConn
	device, wake int32

	// Of wait, which must not allocate.
	poll   func(fd uintptr) (done bool)
	events [2]unix.EpollEvent
	count  int // of events
	failed error
}

// newWaiter waits for device and for wake, an eventfd.
func newWaiter(device, wake int) (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetNonblock(fd, true), // so that os.NewFile uses the poller
		addDevice(fd, device),
		unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}))
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "v4l2"), device: int32(device), wake: int32(wake)}
	w.poll = w.tryWait
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// addDevice adds a device to an epoll instance. The driver's poll function takes the device's lock (vb2_fop_poll). If a signal interrupts that, it returns
// EPOLLERR without having registered, and no later picture ends a wait. The Go runtime preempts threads with SIGURG, so signals are blocked meanwhile.
func addDevice(epoll, device int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return err
	}
	return errors.Join(
		unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, device, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLPRI, Fd: int32(device)}),
		unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}

// wait returns what the device is ready for (EPOLLIN, EPOLLPRI, EPOLLERR, EPOLLHUP), and whether wake was signalled. After timeout it returns 0.
func (w *waiter) wait(timeout time.Duration) (ready uint32, woken bool, err error) {
	w.count, w.failed = 0, nil
	if err = w.file.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return 0, false, err
	}
	if err = w.conn.Read(w.poll); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false, err
	}
	for _, e := range w.events[:w.count] {
		if e.Fd == w.wake {
			woken = true
		} else {
			ready = e.Events
		}
	}
	return ready, woken, w.failed
}

// tryWait reports whether there is something to return, without waiting.
func (w *waiter) tryWait(fd uintptr) bool {
	n, err := unix.EpollWait(int(fd), w.events[:], 0)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.EpollWait(int(fd), w.events[:], 0)
	}
	w.count, w.failed = max(n, 0), err
	return n != 0 || err != nil
}

func (w *waiter) close() { _ = w.file.Close() }
