//go:build linux

package toolchain_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// project is a repository with the release script, a changelog, and a fast make dist.
func project(t *testing.T) (dir string, git func(args ...string)) {
	t.Helper()
	testenv.Program(t, "git")
	testenv.Program(t, "make")
	dir = t.TempDir()
	script, err := os.ReadFile("release.sh")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "toolchain/release.sh"), string(script))
	write(t, filepath.Join(dir, ".gitignore"), "/build/\n")
	write(t, filepath.Join(dir, "Makefile"), "dist:\n\t@mkdir -p build/dist && echo $(VERSION) >build/dist/maixstream.deb\n")
	write(t, filepath.Join(dir, "CHANGELOG.md"), `# Changelog

## Unreleased

- not yet

## 1.2.3 - 2026-12-01

### Added

- one

  of two paragraphs
- two

## 1.2.2

## [v1.2.1]
- oldest
`)
	git = func(args ...string) {
		t.Helper()
		if out, err := run(dir, nil, "git", args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	return dir, git
}

func TestReleaseHasNotesAndChecksums(t *testing.T) {
	dir, git := project(t)
	git("tag", "-a", "-m", "x", "v1.2.3")
	git("tag", "v1.2.1")
	for tag, notes := range map[string]string{
		"v1.2.3": "### Added\n\n- one\n\n  of two paragraphs\n- two\n",
		"v1.2.1": "- oldest\n",
	} {
		if out, err := run(dir, nil, "toolchain/release.sh", tag); err != nil {
			t.Fatalf("%s: %v\n%s", tag, err, out)
		}
		for name, want := range map[string]string{"NOTES.md": notes, "maixstream.deb": tag + "\n"} {
			if got, err := os.ReadFile(filepath.Join(dir, "build/dist", name)); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q, %v; want %q", tag, name, got, err, want)
			}
		}
		if out, err := run(filepath.Join(dir, "build/dist"), nil, "sha256sum", "-c", "SHA256SUMS"); err != nil || strings.Count(out, ": OK") != 2 {
			t.Errorf("%s: checksums: %v\n%s", tag, err, out)
		}
	}
}

func TestReleaseRejectsBadTags(t *testing.T) {
	dir, git := project(t)
	git("tag", "v1.2.3")
	git("tag", "v1.2.2") // its section is empty
	git("tag", "v1.2")
	git("tag", "v9.0.0") // no section
	for _, c := range []struct {
		name, tag, want string
		before, after   func()
	}{
		{"no argument", "", "usage: toolchain/release.sh vX.Y.Z", nil, nil},
		{"no version", "v1.2", "usage: toolchain/release.sh vX.Y.Z", nil, nil},
		{"no v", "1.2.3", "usage: toolchain/release.sh vX.Y.Z", nil, nil},
		{"a version within a longer line", "v1.2.3\nx", "usage: toolchain/release.sh vX.Y.Z", nil, nil},
		{"a tag that is not there", "v1.2.4", "no tag v1.2.4", nil, nil},
		{"no section", "v9.0.0", `no section "## 9.0.0"`, nil, nil},
		{"an empty section", "v1.2.2", `"## 1.2.2" of CHANGELOG.md is empty`, nil, nil},
		{
			"a new file", "v1.2.3", "?? new.go",
			func() { write(t, filepath.Join(dir, "new.go"), "") },
			func() { os.Remove(filepath.Join(dir, "new.go")) },
		},
		{
			"a changed file", "v1.2.3", "M Makefile",
			func() { write(t, filepath.Join(dir, "Makefile"), "dist:\n") },
			func() { git("checkout", "-q", "Makefile") },
		},
		{
			"another commit", "v1.2.3", "run: git checkout v1.2.3",
			func() { git("commit", "-q", "--allow-empty", "-m", "two") },
			func() { git("reset", "-q", "--hard", "v1.2.3") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before()
				defer c.after()
			}
			var args []string
			if c.tag != "" {
				args = append(args, c.tag)
			}
			out, err := run(dir, nil, "toolchain/release.sh", args...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v; it says:\n%s\nwant: %s", err, out, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "build")); err == nil {
				t.Error("it built something")
			}
		})
	}
}
