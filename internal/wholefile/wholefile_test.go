package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/internal/wholefile"
)

func TestFilesAreReplacedAndLinksKept(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "old", "chain": at("link"), "dangling": "fresh"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, target := range map[string]string{"new": "new", "old": "old", "link": "old", "chain": "old", "dangling": "fresh"} {
		if err := wholefile.Write(at(path), []byte(path), 0o644); err != nil {
			t.Error(path, err)
		}
		if got, err := os.ReadFile(at(target)); err != nil || string(got) != path {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for _, link := range []string{"link", "chain", "dangling"} {
		if info, err := os.Lstat(at(link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", link)
		}
	}
	if info, err := os.Stat(at("old")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the old file's mode is %v", info.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Errorf("%d entries, want 6: something was left behind (%v)", len(entries), err)
	}
}

func TestOnlyRegularFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := wholefile.Write(os.DevNull, []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatal(os.DevNull, "was replaced")
	}
	if err := wholefile.Write(dir, []byte("x"), 0o644); err == nil {
		t.Error("a folder was written")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{os.DevNull, dir} {
		if err := wholefile.Rename(file, to); err == nil {
			t.Errorf("renamed over %s", to)
		}
	}
	if err := wholefile.Write(filepath.Join(dir, "none", "x"), nil, 0o644); err == nil {
		t.Error("written into a folder that is not there")
	}
}
