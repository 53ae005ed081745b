//go:build linux

package load

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ticker is a timer of the kernel that Go's poller waits for, as it waits for a device. A goroutine that the poller wakes runs at once on the thread
// that polled, where one that a time.Ticker wakes has a second thread woken, to search for work; and reading it with a raw system call leaves the runtime's monitor
// asleep, which each other system call wakes.
type ticker struct {
	file *os.File
	conn syscall.RawConn
	read func(fd uintptr) bool // made once
}

func newTicker(period time.Duration) (*ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	p := unix.NsecToTimespec(int64(period))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: p, Value: p}, nil); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("timer: %w", err)
	}
	t := &ticker{file: os.NewFile(uintptr(fd), "timer")}
	if t.conn, err = t.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	t.read = func(fd uintptr) bool {
		var expired uint64
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&expired)), unsafe.Sizeof(expired))
		return errno != unix.EAGAIN
	}
	return t, nil
}

// wait waits for the next tick. Ticks that nobody waited for are lost.
func (t *ticker) wait() error { return t.conn.Read(t.read) }
