package push

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type controlFunc = func(network, address string, c syscall.RawConn) error

const (
	// sendBuffer is SO_SNDBUF, and unsentMark TCP_NOTSENT_LOWAT, in bytes, for streams: pictures queued in the kernel grow stale.
	sendBuffer = 112 << 10
	unsentMark = 16 << 10
)

// limitUnsent keeps the kernel's send queue short.
func limitUnsent(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer) // on failure the delay is longer, nothing else
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMark)
	})
}
