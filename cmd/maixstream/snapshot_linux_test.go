package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSnapshotLeavesDevicesAndPipesWhatTheyAre(t *testing.T) {
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
	if err := writeWhole(path, []byte("picture")); err != nil {
		t.Fatal(err)
	}
	if text := <-read; text != "picture" {
		t.Errorf("the pipe's reader got %q", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe has become %v (%v)", info, err)
	}
}

func TestSnapshotReplacesAFileWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jpg")
	for _, text := range []string{"first", "2"} {
		if err := writeWhole(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q (%v), not %q", got, err, text)
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files, not one", len(files))
	}
}
