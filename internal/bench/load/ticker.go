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

// ticker is a kernel timer that Go's poller waits for, as for a device. A goroutine woken by the poller runs immediately on the thread
// that polled, whereas a time.Ticker wakes a second thread to search for work; and a raw system call to read it leaves the runtime's monitor
// asleep, unlike any other system call.
type ticker struct {
	file *os.File
	conn syscall.RawConn
	read func(fd uintptr) bool // allocated once
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

// wait waits for the next tick. Missed ticks are lost.
func (t *ticker) wait() error { return t.conn.Read(t.read) }
