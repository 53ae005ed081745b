//go:build unix

package filelock_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/internal/filelock"
)

// Run again with this variable, the test binary holds the lock on the named file until its standard input ends.
const holds = "FILELOCK_TEST_HOLDS"

func TestMain(m *testing.M) {
	if name := os.Getenv(holds); name != "" {
		if _, err := filelock.Open(name, 0o600); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

func TestLockIsReleasedWithItsFileOrProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Open(name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Open(name, 0o600); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("a second lock: %v", err)
	}
	first.Close()

	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holds+"="+name)
	in, _ := other.StdinPipe()
	out, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Open(name, 0o600); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("while another process holds it: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	again, err := filelock.Open(name, 0o600)
	if err != nil {
		t.Errorf("after that process was killed: %v", err)
	} else {
		again.Close()
	}
}
