package wholefile_test

import (
	"io"
	"os"
	"path/filepath"
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
