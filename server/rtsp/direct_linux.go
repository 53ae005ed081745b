package rtsp

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// direct returns a function that writes as much of a message as is possible without blocking, or nil if the connection is not a plain TCP
// connection. While another write is in progress it writes nothing. After a partial write the connection stays locked for other
// writers until finish has written the rest. For use by one goroutine.
func (c *conn) direct() func([]byte) (int, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	var b []byte
	var n int
	var failed error
	write := func(fd uintptr) { n, failed = unix.Write(int(fd), b) } // one closure, so that writes do not allocate
	return func(message []byte) (int, error) {
		if !c.writing.TryLock() {
			return 0, nil
		}
		b, n, failed = message, 0, nil
		// Not RawConn.Write, which honours the deadline left by other writes.
		err := raw.Control(write)
		if err == nil && failed == nil && 0 < n && n < len(message) {
			return n, nil // still locked
		}
		c.writing.Unlock()
		switch {
		case err != nil:
			return 0, err
		case errors.Is(failed, unix.EAGAIN) || errors.Is(failed, unix.EINTR):
			return 0, nil
		case failed != nil:
			return 0, failed
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		}
		return n, nil
	}
}
