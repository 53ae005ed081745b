package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestVersionIsTheLinkersOrElseTheGoCommands(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	settings := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	for _, c := range []struct {
		name   string
		linked identity
		info   *debug.BuildInfo
		want   string
	}{
		{"linker", identity{"v1.2.3", "abc"}, &debug.BuildInfo{Main: debug.Module{Version: "v9.9.9"}, Settings: settings("false")}, "maixstream v1.2.3 (abc)"},
		{"go install of a release", identity{}, &debug.BuildInfo{Main: debug.Module{Version: "v1.4.0"}}, "maixstream v1.4.0 (unknown)"},
		{
			"go build in a clone",
			identity{},
			&debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261128000000-0123456789ab"}, Settings: settings("false")},
			"maixstream v0.0.0-20261128000000-0123456789ab (0123456789ab)",
		},
		{"go build with changes", identity{}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: settings("true")}, "maixstream unknown (0123456789ab-dirty)"},
		{"nothing known", identity{}, nil, "maixstream unknown (unknown)"},
	} {
		if got := identify(c.linked, c.info).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestVersionFlagAndVerbAgree(t *testing.T) {
	code, flag, problem := runIn(t, []string{"--version"}, "", nil)
	_, verb, _ := runIn(t, []string{"version"}, "", nil)
	if code != exitDone || flag == "" || flag != verb {
		t.Errorf("code %d; --version prints %q (%s), version %q", code, flag, problem, verb)
	}
}

// A bare go build in a clone knows its commit.
func TestBareBuildKnowsItsCommit(t *testing.T) {
	testenv.Long(t, "builds the program")
	root := testenv.Root(t)
	head, err := exec.Command("git", "-C", root, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		testenv.Unable(t, "not a git clone")
	}
	program := filepath.Join(t.TempDir(), "maixstream")
	build := exec.Command("go", "build", "-buildvcs=true", "-o", program, "./cmd/maixstream")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil || !regexp.MustCompile(`^maixstream v?\d\S* \([0-9a-f]{12}(-dirty)?\)\n$`).Match(out) || !strings.Contains(string(out), strings.TrimSpace(string(head))) {
		t.Errorf("%v: %q, want commit %s", err, out, head)
	}
}
