package secretfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/internal/secretfile"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

func TestWorldReadableFilesCauseWarning(t *testing.T) {
	if runtime.GOOS == "windows" {
		testenv.Unable(t, "Windows has no modes")
	}
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o400: 0, 0o644: 1, 0o604: 1, 0o666: 1} {
		name := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		core, seen := observer.New(zap.WarnLevel)
		secretfile.Warn(zap.New(core), "", name, filepath.Join(t.TempDir(), "missing"), "/dev/null")
		if seen.Len() != want {
			t.Errorf("%o: %d warnings, want %d", mode, seen.Len(), want)
		}
	}
}

func TestByteOrderMarkIsStripped(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{"\xef\xbb\xbfuser:pw": "user:pw", "\xef\xbbx": "\xef\xbbx", "": ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := secretfile.Text(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
