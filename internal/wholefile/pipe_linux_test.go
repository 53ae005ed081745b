package wholefile_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/internal/wholefile"
)

func TestPipesAreWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		file, err := os.Open(path)
		if err != nil {
			read <- err.Error()
			return
		}
		defer file.Close()
		text, _ := io.ReadAll(file)
		read <- string(text)
	}()
	if err := wholefile.Write(path, []byte("picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	if text := <-read; text != "picture" {
		t.Errorf("the pipe's reader got %q", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe has become %v (%v)", info, err)
	}
}

// /dev/stdout and the like stand for what is already open: a file that the shell appends to goes on where it is, and a socket, which cannot be opened, works.
func TestOwnOpenFilesAreWrittenTo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte("old "), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fmt.Sprintf("/dev/fd/%d", file.Fd()), link); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{fmt.Sprintf("/proc/self/fd/%d", file.Fd()), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd()), link} {
		if err := wholefile.Write(name, []byte{byte('1' + i)}, 0o644); err != nil {
			t.Error(name, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "old 123" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v (%v)", info, err)
	}

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := wholefile.Write(fmt.Sprintf("/dev/fd/%d", pair[0]), []byte("picture"), 0o644); err != nil {
		t.Error(err)
	}
	got := make([]byte, 16)
	if n, err := unix.Read(pair[1], got); err != nil || string(got[:n]) != "picture" {
		t.Errorf("%q, %v", got, err)
	}
	if err := wholefile.Write("/dev/fd/987654", []byte("picture"), 0o644); err == nil {
		t.Error("a file that is not open was written")
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	pipe, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, "/dev/zero", "/dev/null"} {
		if _, err := wholefile.Read(path, 4); err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{file, link} {
		if text, err := wholefile.Read(path, 4); err != nil || string(text) != "1234" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		if _, err := wholefile.Read(path, 3); err == nil || !strings.Contains(err.Error(), "larger than 3 bytes") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := wholefile.Read(filepath.Join(dir, "none"), 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
