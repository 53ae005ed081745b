//go:build !linux

package main

// searchLibrariesIn has nothing to do: the chip's libraries are for Linux.
func searchLibrariesIn(string) error { return nil }
