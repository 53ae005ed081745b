// Package wholefile writes files atomically, even across a power cut, and reads them back.
package wholefile

import (
	"errors"
	"fmt"
	"io"
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
	to, err := resolve(path, mode)
	switch {
	case err != nil:
	case to.replaceable:
		err = replace(to.path, data, to.mode)
	default:
		err = inPlace(to.path, data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Read returns the contents of a regular file of at most limit bytes. Anything else is refused without waiting: a pipe can block its opener, and
// a device can be endless.
func Read(path string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}

// Rename is os.Rename restricted to replacing regular files.
func Rename(from, to string) error {
	if info, err := os.Lstat(to); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("rename %s to %s: target is not a regular file (%s)", from, to, info.Mode().Type())
	}
	return os.Rename(from, to)
}

// destination is where a path leads.
type destination struct {
	path        string
	replaceable bool        // a regular file, or none yet; anything else is written to in place
	mode        fs.FileMode // for the file that replaces it
}

// resolve follows links, also to a file that does not exist, which gets mode.
func resolve(path string, mode fs.FileMode) (destination, error) {
	for range 40 {
		if _, is := descriptor(path); is {
			return destination{path: path}, nil
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return destination{path, true, mode}, nil
		case err != nil:
			return destination{}, err
		case info.Mode()&fs.ModeSymlink == 0:
			return destination{path, info.Mode().IsRegular(), info.Mode().Perm()}, nil
		}
		if _, err := os.Stat(path); err == nil && strings.HasPrefix(path, "/proc/") {
			return destination{path: path}, nil // another process's open file, through a link that need not be a path
		}
		link, err := os.Readlink(path)
		if err != nil {
			return destination{}, err
		}
		path = absolute(path, link)
	}
	return destination{}, errors.New("too many symbolic links")
}

// absolute returns a link's target.
func absolute(path, link string) string {
	if filepath.IsAbs(link) {
		return link
	}
	return filepath.Join(filepath.Dir(path), link)
}

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
