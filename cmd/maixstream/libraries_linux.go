package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// searchLibrariesIn makes the loader search dir first. The chip's libraries refer to one another without a path, and the loader reads its search
// path only when a program starts, so the program re-executes itself in the same process.
func searchLibrariesIn(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usagef("--mpi-lib-dir %s: not a directory", dir)
	}
	old := os.Getenv("LD_LIBRARY_PATH")
	if first, _, _ := strings.Cut(old, ":"); first == dir {
		return nil
	}
	path := dir
	if old != "" {
		path += ":" + old
	}
	if err := os.Setenv("LD_LIBRARY_PATH", path); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return fmt.Errorf("restart with %s first in LD_LIBRARY_PATH: %w", dir, unix.Exec(self, os.Args, os.Environ()))
}
