package fanout

import (
	"crypto/tls"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// SendBuffer is SO_SNDBUF of a viewer's socket in bytes, which the kernel doubles for its bookkeeping (socket(7)): the
	// kernel memory that a stalled viewer can hold.
	SendBuffer = 112 << 10
	// unsentMark is TCP_NOTSENT_LOWAT: a socket counts as writable while fewer bytes than half of it wait to be sent for the first time
	// (tcp_stream_memory_free in the kernel's include/net/tcp.h).
	unsentMark = 16 << 10
	// inFlight is how much may be unacknowledged when the next frame starts, in addition to what the path itself holds.
	inFlight = 8 << 10
)

// LimitUnsent makes the kernel buffer little of a viewer's stream. Sockets other than TCP refuse; they have no deep queues either.
func LimitUnsent(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { limitSocket(int(fd)) })
		}
	}
}

func limitSocket(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, SendBuffer)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMark)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// drained reports to the portable writer whether the previous frame has been delivered.
func drained(conn net.Conn) bool {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	ready := true
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			var info unix.TCPInfo
			_ = raw.Control(func(fd uintptr) { _, ready = queued(int(fd), &info) })
		}
	}
	return ready
}

// queued returns the number of bytes that the peer has not acknowledged, and whether they are few enough for the next frame to start. More than
// inFlight is right only on a path that holds more by itself: its bandwidth times its minimum round-trip time (the target of BBR,
// too); the rest would wait in some router's queue and only delay the next frame.
func queued(fd int, info *unix.TCPInfo) (unacked int, ready bool) {
	var n int32
	if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0, true
	}
	if n <= inFlight {
		return int(n), true
	}
	size := uint32(unsafe.Sizeof(*info))
	if _, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return int(n), true // a Unix socket: its buffer is the only queue, and it reports when that is full
	}
	path := info.Delivery_rate / 1000 * uint64(info.Min_rtt) / 1000
	return int(n), uint64(n) <= inFlight+path+path/4
}

// send writes as much of b as the socket accepts at once. It never blocks, so the scheduler is not involved (RawSyscall): that costs more
// than it gains for calls of some ten microseconds.
func send(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
