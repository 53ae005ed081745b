package main

import "golang.org/x/sys/unix"

// totalMemory returns the machine's memory in bytes.
func totalMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 40
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}
