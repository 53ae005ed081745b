// Package wholefile writes files atomically, even across a power cut.
package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Write writes data to path. A regular file, or the target of a symbolic link to one, is replaced atomically and keeps its mode; a new one gets mode. Anything
// else, such as a device, a pipe or a terminal, is written to in place.
func Write(path string, data []byte, mode fs.FileMode) error {
	target, info, err := resolve(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if info != nil && !info.Mode().IsRegular() {
		err = inPlace(target, data)
	} else {
		if info != nil {
			mode = info.Mode().Perm()
		}
		err = replace(target, data, mode)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Rename is os.Rename restricted to replacing regular files.
func Rename(from, to string) error {
	if info, err := os.Lstat(to); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("rename %s to %s: target is not a regular file (%s)", from, to, info.Mode().Type())
	}
	return os.Rename(from, to)
}

// resolve follows links, also to a file that does not exist. info is nil if there is no file.
func resolve(path string) (target string, info fs.FileInfo, err error) {
	for range 40 {
		if _, is := descriptor(path); is {
			return path, open{}, nil
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode()&fs.ModeSymlink == 0:
			return path, info, nil
		}
		if follows, err := os.Stat(path); err == nil && strings.HasPrefix(path, "/proc/") {
			return path, open{follows}, nil // another process's open file, through a link that need not be a path
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		path = absolute(path, link)
	}
	return "", nil, errors.New("too many symbolic links")
}

// absolute returns a link's target.
func absolute(path, link string) string {
	if filepath.IsAbs(link) {
		return link
	}
	return filepath.Join(filepath.Dir(path), link)
}

// open is a file that must not be replaced, whatever its type.
type open struct{ fs.FileInfo }

// Mode implements fs.FileInfo.
func (o open) Mode() fs.FileMode { return fs.ModeIrregular }

// descriptor returns the number of the process's own open file that path stands for.
func descriptor(path string) (int, bool) {
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/", fmt.Sprintf("/proc/%d/fd/", os.Getpid())} {
		if text, found := strings.CutPrefix(path, dir); found {
			n, err := strconv.Atoi(text)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

func inPlace(path string, data []byte) error {
	if n, is := descriptor(path); is {
		// Opening it again would begin at the start of a file that the shell appends to, and fails for a socket.
		own, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		file := os.NewFile(uintptr(own), path)
		_, err = file.Write(data)
		return errors.Join(err, file.Close())
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

func replace(path string, data []byte, mode fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails harmlessly after the rename
	_, err = file.Write(data)
	if err := errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return Rename(file.Name(), path)
}
