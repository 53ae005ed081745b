//go:build poison && linux

package picture

import "golang.org/x/sys/unix"

// takeMemory returns size bytes in pages of their own.
func takeMemory(size int) []byte {
	b, err := unix.Mmap(-1, 0, max(size, 1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, size)
	}
	return b
}

// giveMemory makes the pages inaccessible for good, so that their addresses are never reused; their content is returned to the system.
func giveMemory(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTNEED)
	_ = unix.Mprotect(b, unix.PROT_NONE)
}
