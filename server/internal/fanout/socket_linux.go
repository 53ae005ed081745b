package fanout

import (
	"crypto/tls"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// SendBuffer is SO_SNDBUF of a viewer's socket in bytes, which the kernel doubles for its own book-keeping (socket(7)): what a
	// viewer that stalls can hold of the kernel's memory.
	SendBuffer = 112 << 10
	// unsentMark is TCP_NOTSENT_LOWAT: a socket counts as writable while fewer bytes than half of it wait to be sent for the first time
	// (tcp_stream_memory_free in the kernel's include/net/tcp.h).
	unsentMark = 16 << 10
	// inFlight is what may be unacknowledged when the next frame starts, beside what the path itself holds.
	inFlight = 8 << 10
)

// LimitUnsent makes the kernel keep little of a viewer's stream. Sockets that are not TCP refuse; they have no deep queues either.
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

// drained is the portable writer's question: has the frame before left?
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

// queued returns the bytes that the other side has not acknowledged, and whether they are few enough for the next frame to start. More than
// inFlight is right only on a path that holds more by itself: its bandwidth times its least round-trip time (which is what BBR
// aims at, too); the rest would stand in some router's queue and only make the next frame old.
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
		return int(n), true // a Unix socket: its buffer is the only queue, and it says itself when it is full
	}
	path := info.Delivery_rate / 1000 * uint64(info.Min_rtt) / 1000
	return int(n), uint64(n) <= inFlight+path+path/4
}

// send writes as much of b as the socket takes at once. It never blocks, so the scheduler is not told (RawSyscall): that costs more
// than it gives for calls of some ten microseconds.
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
