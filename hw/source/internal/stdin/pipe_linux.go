package stdin

import "golang.org/x/sys/unix"

// widen lets a pipe hold a camera's whole picture, so that its writer need not wait for several reads. Failure is harmless: not a pipe, or over a system
// limit.
func widen(fd int) {
	const room = 1 << 20
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, room)
}
