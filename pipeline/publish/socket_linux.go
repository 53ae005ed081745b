package publish

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// sendBuffer is SO_SNDBUF, which the kernel doubles, and unsentMark TCP_NOTSENT_LOWAT, in bytes: enough for 20 Mbit/s over 200 ms, and little that is old when
	// the link gets slow.
	sendBuffer = 512 << 10
	unsentMark = 64 << 10
)

// limitUnsent makes the kernel keep little of a stream.
func limitUnsent(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer) // without them there is more delay, no more
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMark)
	})
}
