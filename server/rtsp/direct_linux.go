package rtsp

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// direct returns a function that writes to a connection what can be written without waiting; nil: there is none for this connection, which is no TCP of
// the system's. Other writes of the connection have ended before it writes, or it writes nothing. After a part of a message the connection is locked
// for other writes until finish has written the rest. One goroutine uses it.
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
	write := func(fd uintptr) { n, failed = unix.Write(int(fd), b) } // made once
	return func(message []byte) (int, error) {
		if !c.writing.TryLock() {
			return 0, nil
		}
		b, n, failed = message, 0, nil
		// Not RawConn.Write: that looks at the deadline, which other writes of the connection have left behind.
		err := raw.Control(write)
		if err == nil && failed == nil && 0 < n && n < len(message) {
			return n, nil // locked
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
