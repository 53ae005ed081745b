//go:build linux && !race

package ring

import "golang.org/x/sys/unix"

// allocate returns zeroed pages outside of the garbage collector's reach: C may write them while Go runs, and untouched
// pages cost nothing.
func allocate(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
}

func release(memory []byte) { _ = unix.Munmap(memory) }
