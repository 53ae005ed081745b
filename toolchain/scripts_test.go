//go:build linux

package toolchain_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// write creates an executable file and its folders.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in dir and returns its combined output and error.
func run(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	// No settings of an outer make, and no configuration of this machine's git.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "MFLAGS=") || strings.HasPrefix(v, "GO=")
	}), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	cmd.Env = append(cmd.Env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// files lists all files below dir.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(name, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// make nightly tries each target named in a document.
func TestNightlyKnowsEachDocumentedTarget(t *testing.T) {
	root := testenv.Root(t)
	text, err := os.ReadFile("nightly/targets")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{} // how each is tried
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] != "#" {
			known[fields[0]] = strings.Join(fields[1:], " ")
		}
	}
	for target, how := range known {
		for _, other := range strings.Fields(strings.ReplaceAll(strings.TrimPrefix(how, "- with"), " and ", " ")) {
			if _, ok := known[other]; strings.HasPrefix(how, "- with") && !ok {
				t.Errorf("%s is tried with %s, which is not", target, other)
			}
		}
	}
	named := regexp.MustCompile("(?m)(?:^|`|\\()make ([a-z][a-z0-9-]*)")
	documents, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	recipes, _ := filepath.Glob(filepath.Join(root, "docs", "recipes", "*.md"))
	for _, path := range append(append(documents, recipes...), filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if known[m[1]] == "" {
				t.Errorf("%s names make %s, which nightly/targets does not", filepath.Base(path), m[1])
			}
		}
	}
	if len(known) < 20 {
		t.Errorf("only %v", known)
	}
}

func TestInstallAndUninstall(t *testing.T) {
	dir := t.TempDir()
	program, staged := filepath.Join(dir, "maixstream"), filepath.Join(dir, "root")
	env := []string{"PREFIX=/opt/ms/", "DESTDIR=" + staged, "PROGRAM=" + program}
	if out, err := run(".", env, "./install.sh", "install"); err == nil || !strings.Contains(out, "make build") {
		t.Errorf("without a program: %v\n%s", err, out)
	}
	write(t, program, "#!/bin/sh\necho \"of $*\"\n")
	for range 2 { // the second time over the first
		if out, err := run(".", env, "./install.sh", "install"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	want := []string{
		"/etc/maixstream.yaml",
		"/opt/ms/bin/maixstream",
		"/opt/ms/lib/systemd/system/maixstream.service",
		"/opt/ms/lib/systemd/system/maixstream.socket",
		"/opt/ms/share/bash-completion/completions/maixstream",
		"/opt/ms/share/fish/vendor_completions.d/maixstream.fish",
		"/opt/ms/share/man/man1/maixstream.1",
		"/opt/ms/share/zsh/site-functions/_maixstream",
	}
	if got := files(t, staged); !slices.Equal(got, want) {
		t.Fatalf("installed %q, want %q", got, want)
	}
	for name, text := range map[string]string{
		want[2]: "\nExecStart=/opt/ms/bin/maixstream serve ",
		want[4]: "of completion bash\n", want[5]: "of completion fish\n", want[6]: "of man\n", want[7]: "of completion zsh\n",
	} {
		if got, err := os.ReadFile(staged + name); err != nil || !strings.Contains(string(got), text) {
			t.Errorf("%s: %v: %s\nwant %q in it", name, err, got, text)
		}
	}
	write(t, staged+"/etc/maixstream.yaml", "fps: 5\n")
	if out, err := run(".", env, "./install.sh", "install"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, _ := os.ReadFile(staged + "/etc/maixstream.yaml"); string(got) != "fps: 5\n" {
		t.Errorf("an installation wrote over the settings: %s", got)
	}
	if out, err := run(".", env, "./install.sh", "uninstall"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := files(t, staged); !slices.Equal(got, want[:1]) {
		t.Errorf("left after uninstall: %q", got)
	}
}

func TestInstallForOneUserNeedsNoRoot(t *testing.T) {
	dir := t.TempDir()
	program, home := filepath.Join(dir, "maixstream"), filepath.Join(dir, "home")
	write(t, program, "#!/bin/sh\n")
	write(t, filepath.Join(dir, "bin/id"), "#!/bin/sh\necho 1000\n")
	env := []string{"PREFIX=" + home, "DESTDIR=", "PROGRAM=" + program, "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
	if out, err := run(".", env, "./install.sh", "install"); err != nil || !strings.Contains(out, "no service") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := files(t, home); len(got) != 5 || slices.ContainsFunc(got, func(name string) bool { return strings.Contains(name, "systemd") }) {
		t.Errorf("installed %q, want the program, its manual page and three completions", got)
	}
	if out, err := run(".", env, "./install.sh", "uninstall"); err != nil || len(files(t, home)) != 0 {
		t.Errorf("%v, left: %q\n%s", err, files(t, home), out)
	}
}

func TestMissingGoIsReportedOnceWithTheVersion(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(mod), "\ngo ")
	wanted, _, _ := strings.Cut(rest, "\n")
	for _, c := range []struct{ name, script, want string }{
		{"as wanted", "echo go" + wanted, ""},
		{"newer", "echo go1.999.1", ""},
		{"newer, with experiments", "echo 'go1.999.1 X:loopvar'", ""},
		{"fetched", "echo 'go: downloading go" + wanted + "' >&2; echo go" + wanted, ""},
		{"Debian 12's", "echo go1.19.8", "is Go 1.19.8"},
		{"not to be fetched", "echo 'go: go.mod requires go >= " + wanted + "' >&2; exit 1", "says: go: go.mod requires"},
	} {
		program := filepath.Join(t.TempDir(), "go")
		write(t, program, "#!/bin/sh\n"+c.script+"\n")
		out, err := run(".", []string{"GO=" + program}, "./need-go.sh")
		if c.want == "" {
			if err != nil || out != "" {
				t.Errorf("%s: %v: %s", c.name, err, out)
			}
			continue
		}
		if err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "needs Go "+wanted) || !strings.Contains(out, "https://go.dev/dl/") {
			t.Errorf("%s: %v: %s", c.name, err, out)
		}
	}
	out, err := run("..", []string{"GO=/nowhere/go"}, testenv.Program(t, "make"), "-f", "Makefile", "setup", "GO=/nowhere/go")
	if err == nil || strings.Count(out, "needs Go "+wanted) != 1 || strings.Contains(out, "installing") {
		t.Errorf("make without Go: %v\n%s", err, out)
	}
}

// This fake go command compiles 250 packages, and downloads two modules for them.
const fakeGo = `#!/bin/sh
case "$1" in
list) echo 'go: downloading a.example/x v1.0.0' >&2; echo 'go: downloading a.example/y v1.0.0' >&2; seq -f pkg/p%g 250; echo "$*" >"$0.list" ;;
build) echo "$*" >"$0.build"; seq -f pkg/p%g 250 >&2; if [ -e "$0.broken" ]; then echo '# pkg/p250' >&2; echo './x.go:1:2: undefined: y' >&2; exit 3; fi ;;
esac
`

func TestBuildReportsProgress(t *testing.T) {
	program := filepath.Join(t.TempDir(), "go")
	write(t, program, fakeGo)
	env := []string{"GO=" + program}
	out, err := run(".", env, "./progress.sh", "build", "-trimpath", "-ldflags", "-X a=b -X c=d", "-o", "out", "./cmd/maixstream")
	want := "downloading modules\nbuilding: the first time takes some minutes (250 packages); afterwards seconds\ncompiled 100 of 250 packages\ncompiled 200 of 250 packages\n"
	if err != nil || out != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
	for file, want := range map[string]string{
		".list":  "list -deps -f {{if .Stale}}{{.ImportPath}}{{end}} -trimpath -ldflags -X a=b -X c=d ./cmd/maixstream\n",
		".build": "build -v -trimpath -ldflags -X a=b -X c=d -o out ./cmd/maixstream\n",
	} {
		if got, err := os.ReadFile(program + file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", file, got, err, want)
		}
	}
	write(t, program+".broken", "")
	out, err = run(".", env, "./progress.sh", "build", "./cmd/maixstream")
	if err == nil || !strings.HasSuffix(out, "# pkg/p250\n./x.go:1:2: undefined: y\n") {
		t.Errorf("a build that fails: %v\n%s", err, out)
	}
}

func TestBuildOnATerminalUsesOneLine(t *testing.T) {
	script := testenv.Program(t, "script")
	program := filepath.Join(t.TempDir(), "go")
	write(t, program, fakeGo)
	out, err := run(".", []string{"GO=" + program}, script, "-qec", "./progress.sh build ./cmd/maixstream", "/dev/null")
	if err != nil || !strings.Contains(out, "\r\x1b[Kcompiled 250 of 250 packages") || !strings.HasSuffix(out, "\r\x1b[K") || strings.Count(out, "\n") != 1 {
		t.Errorf("%v: %q", err, out)
	}
}

// This fake apt installs nothing: it prints Debian's messages on a minimal system.
func TestAptIsQuietUnlessItFails(t *testing.T) {
	dir := t.TempDir()
	copied, err := os.ReadFile("apt.sh")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "apt.sh"), string(copied))
	write(t, filepath.Join(dir, "packages/some"), "# package why\nabsent-package  for this test\n")
	write(t, filepath.Join(dir, "bin/dpkg-query"), "#!/bin/sh\nexit 1\n")
	write(t, filepath.Join(dir, "bin/sudo"), "#!/bin/sh\nexec \"$@\"\n")
	write(t, filepath.Join(dir, "bin/apt-get"), "#!/bin/sh\necho 'debconf: delaying package configuration' >&2\necho Selecting\n"+
		"case \"$*\" in *install*) [ -z \"$BROKEN\" ] || { echo 'E: no such package' >&2; exit 100; } ;; esac\n")
	env := []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "TMPDIR=" + dir}
	if out, err := run(dir, env, "./apt.sh", "some"); err != nil || out != "installing Debian packages: absent-package\n" {
		t.Errorf("%v: %s", err, out)
	}
	out, err := run(dir, append(env, "BROKEN=1"), "./apt.sh", "some")
	if err == nil || !strings.Contains(out, "E: no such package") || !strings.Contains(out, "apt-get install absent-package") {
		t.Errorf("an installation that fails: %v: %s", err, out)
	}
}
