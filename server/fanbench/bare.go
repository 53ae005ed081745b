//go:build linux

// Package fanbench measures what it costs to deliver a stream to many viewers: viewers that count and time frames, and the least
// that a server could do, to compare with.
package fanbench

import (
	"bytes"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/fanout"
)

// Bare is the least that serving takes: one thread, raw system calls, one epoll, a timer, and for each frame one writev of head and
// picture to each viewer, from memory that holds the picture already. It serves viewers connections of l, then publishes pictures in turn
// fps times a second until stop says so. It never returns to the scheduler while it runs.
func Bare(l *net.TCPListener, viewers int, pictures [][]byte, fps int, stop func() bool) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("bare loop: epoll: %w", err)
	}
	defer unix.Close(epoll)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("bare loop: timer: %w", err)
	}
	defer unix.Close(timer)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}); err != nil {
		return fmt.Errorf("bare loop: watch timer: %w", err)
	}
	sockets := make([]bareViewer, viewers)
	for i := range sockets {
		if sockets[i].fd, err = acceptBare(l); err != nil {
			return fmt.Errorf("bare loop: viewer %d: %w", i, err)
		}
		defer unix.Close(sockets[i].fd)
		e := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, sockets[i].fd, &e); err != nil {
			return fmt.Errorf("bare loop: watch viewer: %w", err)
		}
	}
	period := unix.NsecToTimespec(int64(time.Second) / int64(fps))
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: period, Value: period}, nil); err != nil {
		return fmt.Errorf("bare loop: timer: %w", err)
	}
	head, tail := make([]byte, 0, 256), []byte("\r\n--frame\r\n")
	events := make([]unix.EpollEvent, 256)
	var iov [3]unix.Iovec
	for sequence := uint64(1); !stop(); {
		n, err := unix.EpollWait(epoll, events, 1000)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("bare loop: wait: %w", err)
		}
		for i := range max(n, 0) {
			if e := &events[i]; e.Fd >= 0 {
				if s := &sockets[e.Fd]; s.left > 0 {
					s.write(&iov) // iov is this frame's still: a viewer that does not keep up gets a torn stream, and is not measured
				}
				continue
			}
			var expired [8]byte
			_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(timer), uintptr(unsafe.Pointer(&expired)), 8)
			picture := pictures[sequence%uint64(len(pictures))]
			head = fanout.Envelope().Head(head[:0], &ring.Meta{
				Picture:  frame.Picture{Size: len(picture), Captured: time.Now()},
				Sequence: sequence,
			})
			sequence++
			for i, b := range [][]byte{head, picture, tail} {
				iov[i].Base = unsafe.SliceData(b)
				iov[i].SetLen(len(b))
			}
			for j := range sockets {
				if s := &sockets[j]; s.left == 0 {
					s.left = len(head) + len(picture) + len(tail)
					s.write(&iov)
				}
			}
		}
	}
	return nil
}

type bareViewer struct{ fd, left int }

func (v *bareViewer) write(iov *[3]unix.Iovec) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(v.fd), uintptr(unsafe.Pointer(iov)), uintptr(len(iov)))
	if errno == 0 {
		v.left = max(0, v.left-int(n))
	}
}

// acceptBare takes one connection, reads its request and answers with a stream's first bytes.
func acceptBare(l *net.TCPListener) (int, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	var request [4096]byte
	for n := 0; !bytes.Contains(request[:n], []byte("\r\n\r\n")); {
		m, err := conn.Read(request[n:])
		if err != nil {
			return -1, err
		}
		n += m
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n" + fanout.Plain.Preamble())); err != nil {
		return -1, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); controlErr != nil {
		err = controlErr
	}
	return fd, err
}

// CPU returns the time that this process has spent, user and system together.
func CPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
