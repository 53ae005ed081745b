package push

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type controlFunc = func(network, address string, c syscall.RawConn) error

const (
	// sendBuffer is SO_SNDBUF, and unsentMark TCP_NOTSENT_LOWAT, in bytes, of a stream: what the kernel holds of it are old pictures.
	sendBuffer = 112 << 10
	unsentMark = 16 << 10
)

// limitUnsent makes the kernel keep little of a stream.
func limitUnsent(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer) // without them there is more delay, no more
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMark)
	})
}
