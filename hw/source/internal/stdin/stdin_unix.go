//go:build unix

package stdin

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Open opens standard input. It reports a terminal.
func Open() (*Input, error) {
	if info, err := os.Stdin.Stat(); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	} else if null, err := os.Stat(os.DevNull); info.Mode()&os.ModeCharDevice != 0 && (err != nil || !os.SameFile(info, null)) {
		return nil, errors.New("standard input is a terminal: pipe MJPEG or H.264 into it, as ffmpeg -re -i INPUT -f mjpeg - writes it")
	}
	fd, err := syscall.Dup(0)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	// Only a file that is non-blocking when it is handed to the runtime can be closed under a read. The mode belongs to the open
	// file, which other processes may share, so Close sets it back.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("standard input: %w", err)
	}
	widen(fd)
	return &Input{in: file{os.NewFile(uintptr(fd), "standard input")}}, nil
}

type file struct{ *os.File }

// Close implements io.Closer.
func (f file) Close() error {
	err := f.File.Close()
	if blocking := syscall.SetNonblock(0, false); err == nil {
		err = blocking
	}
	return err
}
