//go:build unix

package stdin

import (
	"fmt"
	"os"
	"syscall"
)

// Open opens standard input so that Close interrupts reads. A terminal is an error.
func Open() (*Input, error) {
	if info, err := os.Stdin.Stat(); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	} else if null, err := os.Stat(os.DevNull); info.Mode()&os.ModeCharDevice != 0 && (err != nil || !os.SameFile(info, null)) {
		return nil, fmt.Errorf("standard input is a terminal: pipe MJPEG into it, for example from ffmpeg -re -i INPUT -f mjpeg -")
	}
	fd, err := syscall.Dup(0)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	// Only a file that is non-blocking when it is handed to the runtime can be closed during a read. The mode belongs to the open
	// file description, which other processes may share, so Close restores it.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("standard input: %w", err)
	}
	widen(fd)
	return &Input{file: os.NewFile(uintptr(fd), "standard input"), head: takeReturned()}, nil
}

// Close implements io.Closer.
func (in *Input) Close() error {
	err := in.file.Close()
	if blocking := syscall.SetNonblock(0, false); err == nil {
		err = blocking
	}
	return err
}
