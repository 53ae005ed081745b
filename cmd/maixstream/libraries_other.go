//go:build !linux

package main

// searchLibrariesIn does nothing: the chip's libraries are for Linux only.
func searchLibrariesIn(string) error { return nil }
