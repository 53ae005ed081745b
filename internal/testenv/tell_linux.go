package testenv

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tell prints a line to whoever runs the tests. Given several packages, go test discards the output of passing ones (cmd/go's documentation,
// "package list mode"), including this report: the line then goes to the go command's standard error.
func tell(line string) {
	if out := goStderr(); out != nil {
		defer out.Close()
		if _, err := out.WriteString(line); err == nil {
			return
		}
	}
	fmt.Fprint(os.Stderr, line)
}

// goStderr returns the standard error of the go command that discards this process's output, nil if there is none.
func goStderr() *os.File {
	parent := os.Getppid()
	folder := fmt.Sprintf("/proc/%d/", parent)
	name, _ := os.ReadFile(folder + "comm")
	theirs, err := os.Stat(folder + "fd/1")
	ours, ourErr := os.Stdout.Stat()
	if testing.Verbose() || strings.TrimSpace(string(name)) != "go" || err != nil || ourErr != nil || os.SameFile(theirs, ours) {
		return nil
	}
	// A duplicate shares the file offset; reopened, a file would have two writers overwriting each other.
	if process, err := unix.PidfdOpen(parent, 0); err == nil {
		defer unix.Close(process)
		if fd, err := unix.PidfdGetfd(process, 2, 0); err == nil {
			return os.NewFile(uintptr(fd), "go's standard error")
		}
	}
	if into, err := os.Stat(folder + "fd/2"); err != nil || into.Mode().IsRegular() {
		return nil
	}
	out, err := os.OpenFile(folder+"fd/2", os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return out
}
