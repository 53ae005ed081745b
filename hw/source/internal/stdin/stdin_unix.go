//go:build unix

package mjpeg

import (
	"fmt"
	"os"
	"syscall"
)

// Stdin opens standard input as a stream whose reads Close can end. A file on it is a film, which plays at its own rate. It reports a terminal.
func Stdin(c Config) (*Stream, error) {
	if info, err := os.Stdin.Stat(); err != nil {
		return nil, fmt.Errorf("mjpeg: standard input: %w", err)
	} else if null, err := os.Stat(os.DevNull); info.Mode()&os.ModeCharDevice != 0 && (err != nil || !os.SameFile(info, null)) {
		return nil, fmt.Errorf("mjpeg: standard input is a terminal: pipe MJPEG into it, as ffmpeg -re -i INPUT -f mjpeg - writes it")
	}
	fd, err := syscall.Dup(0)
	if err != nil {
		return nil, fmt.Errorf("mjpeg: standard input: %w", err)
	}
	// Only a file that is non-blocking when it is handed to the runtime can be closed under a read. The mode belongs to the open
	// file, which other processes may share, so Close sets it back.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("mjpeg: standard input: %w", err)
	}
	widen(fd)
	return NewStream(stdin{os.NewFile(uintptr(fd), "standard input")}, "standard input", "stdin", c)
}

type stdin struct{ *os.File }

// Close implements io.Closer.
func (s stdin) Close() error {
	err := s.File.Close()
	if blocking := syscall.SetNonblock(0, false); err == nil {
		err = blocking
	}
	return err
}
