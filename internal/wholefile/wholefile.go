// Package wholefile writes files atomically, even across a power cut.
package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode()&fs.ModeSymlink == 0:
			return path, info, nil
		}
		if follows, err := os.Stat(path); err == nil && (!follows.Mode().IsRegular() || strings.HasPrefix(path, "/proc/")) {
			return path, open{follows}, nil // /dev/stdout leads to an open file of the process, through links that need not be paths
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
func (o open) Mode() fs.FileMode { return o.FileInfo.Mode() | fs.ModeIrregular }

func inPlace(path string, data []byte) error {
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
