package stdin

import "golang.org/x/sys/unix"

// widen lets a pipe hold a whole picture of a camera, so that its writer need not wait for several reads. What is no pipe, or a system's limit, stays as it
// is.
func widen(fd int) {
	const room = 1 << 20
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, room)
}
