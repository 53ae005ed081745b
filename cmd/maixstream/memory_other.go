//go:build !linux

package main

// totalMemory is unused elsewhere: only Linux boards are small.
func totalMemory() uint64 { return 1 << 40 }
