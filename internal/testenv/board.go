package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Simulator returns the directory of the simulator's libraries and maixsim for this machine.
func Simulator(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Root(t), "build", "sim", runtime.GOARCH)
	if _, err := os.Stat(filepath.Join(dir, "maixsim")); err != nil {
		Missing(t, "the simulator of the board's libraries", "make sim-libs")
	}
	return dir
}

// BoardDir creates a directory for a simulated board's files, removed after the test.
func BoardDir(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp("", "maixcam") // not t.TempDir: descendants of a killed process may still write while it is removed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(root) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return root
}

// Board lays out a simulated board of that kind (maixcam, maixcam_pro, none) and selects it in the environment for this test and its
// child processes; settings are the simulator's from boot (MAIXSIM_SET). It returns the board's root and the path of maixsim.
func Board(t testing.TB, kind, settings string) (root, maixsim string) {
	t.Helper()
	libraries := Simulator(t)
	maixsim, root = filepath.Join(libraries, "maixsim"), BoardDir(t)
	for name, value := range map[string]string{
		"MAIXSTREAM_ROOT": root, "MAIXSTREAM_MPI_LIBS": libraries, "MAIXSIM_TOOL": maixsim, "MAIXSIM_SET": settings, "LD_LIBRARY_PATH": "",
	} {
		t.Setenv(name, value)
	}
	if out, err := exec.Command(maixsim, "root", root, "--board", kind).CombinedOutput(); err != nil {
		t.Fatalf("lay out a board: %v: %s", err, out)
	}
	return root, maixsim
}

// Root returns the directory of this module's go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err == nil {
		dir, err = moduleRoot(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func moduleRoot(dir string) (string, error) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("testenv: no go.mod above the test's directory")
		}
		dir = parent
	}
}
