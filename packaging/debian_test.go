//go:build dist

package packaging_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// debianRoot creates a minimal Debian of this machine's release, from its mirror; a copy is cached in build/.
func debianRoot(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("only root can make a Debian system and install into it")
	}
	release := strings.TrimSpace(command(t, "bash", "-c", ". /etc/os-release; echo $VERSION_CODENAME"))
	kept, err := filepath.Abs("../build/debian-" + release + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		mirror := strings.TrimSpace(command(t, "bash", "-c",
			`apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' | sed -n '/^Debian|Debian|main|/{s/.*|//p;q}'`))
		if mirror == "" {
			t.Fatal("no Debian mirror in this machine's apt sources (after apt-get update)")
		}
		made := filepath.Join(t.TempDir(), "made")
		command(t, "debootstrap", "--variant=minbase", release, made, mirror)
		command(t, "tar", "-C", made, "--exclude=./var/cache/apt/archives/*.deb", "-cf", kept+".new", ".")
		if err := os.Rename(kept+".new", kept); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "tar", "-C", root, "-xf", kept)
	return root
}

// files lists everything below root, except what Debian's tools record about packages and users.
func files(t *testing.T, root string) (list []string) {
	t.Helper()
	theirs := regexp.MustCompile(`^/(var/lib/dpkg|var/cache|var/log|proc|sys|dev|run|tmp)/|^/etc/(passwd|group|shadow|gshadow)-$|^/etc/\.pwd\.lock$|^/var/lib/(dpkg|apt)`)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if name := strings.TrimPrefix(path, root); !theirs.MatchString(name) {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var unitLine = regexp.MustCompile(`(?m)^(\w+)=(.*)$`)

// execStart returns the unit's command line, expanded by the rules of systemd with a file of environment variables.
func execStart(t *testing.T, root string, env map[string]string) (argv []string, user string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/maixstream.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range unitLine.FindAllStringSubmatch(string(text), -1) {
		switch m[1] {
		case "ExecStart":
			for _, word := range strings.Fields(m[2]) {
				if name, ok := strings.CutPrefix(word, "$"); ok { // a separate word $NAME is split at spaces
					argv = append(argv, strings.Fields(env[name])...)
				} else {
					argv = append(argv, word)
				}
			}
		case "User":
			user = m[2]
		}
	}
	return argv, user
}

func TestDebianPackage(t *testing.T) {
	root := debianRoot(t)
	chroot := func(args ...string) string { return command(t, "chroot", append([]string{root}, args...)...) }
	before := files(t, root)
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}

	command(t, "cp", dist(t, "maixstream_*_amd64.deb"), filepath.Join(root, "tmp/maixstream.deb"))
	chroot("dpkg", "-i", "/tmp/maixstream.deb")
	if version := chroot("maixstream", "version"); !strings.Contains(version, strings.TrimSpace(chroot("dpkg-query", "-W", "-f", "${Version}", "maixstream"))) {
		t.Errorf("the program says %q", version)
	}
	if mode := strings.TrimSpace(chroot("stat", "-c", "%A %U:%G", "/etc/maixstream")); mode != "drwxr-x--- root:maixstream" {
		t.Errorf("/etc/maixstream is %s", mode)
	}

	// Started like systemd does: the unit's command, user, notify socket and state directory.
	env := map[string]string{"ARGS": "--size 320x240 --listen 127.0.0.1:0", "MAIXSTREAM_ANNOUNCE": "false", "MAIXSTREAM_SOURCE": "testcard"}
	argv, user := execStart(t, root, env)
	if len(argv) == 0 || user != "maixstream" {
		t.Fatalf("unit: command %v, user %q", argv, user)
	}
	told := manager(t, filepath.Join(root, "run/notify"))
	if err := os.Chmod(filepath.Join(root, "run/notify"), 0o777); err != nil {
		t.Fatal(err)
	}
	chroot("install", "-d", "-o", "maixstream", "-g", "maixstream", "-m", "0750", "/var/lib/maixstream")
	serve := exec.Command("chroot", append([]string{"--userspec=maixstream:maixstream", root}, argv...)...)
	serve.Env = []string{"PATH=/usr/bin:/bin", "NOTIFY_SOCKET=/run/notify", "WATCHDOG_USEC=400000"}
	for name, value := range env {
		serve.Env = append(serve.Env, name+"="+value)
	}
	s := start(t, serve)
	told("READY=1")
	if w, h := s.frames(30); w != 320 || h != 240 {
		t.Errorf("%dx%d", w, h)
	}
	told("WATCHDOG=1")
	if owner := strings.TrimSpace(command(t, "stat", "-c", "%u", fmt.Sprintf("/proc/%d", serve.Process.Pid))); owner == "0" {
		t.Error("it runs as root")
	}
	if err := os.WriteFile(filepath.Join(root, "etc/maixstream.yaml"), []byte("overlay: mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_ = serve.Process.Signal(syscall.SIGHUP)
	told("RELOADING=1")
	told("READY=1")
	s.until("the reload is said", func() bool { return strings.Contains(s.String(), `"changed": ["overlay"]`) })
	s.stop()
	told("STOPPING=1")

	// The user's settings survive an upgrade and removal, and are deleted by a purge.
	chroot("dpkg", "--force-confold", "-i", "/tmp/maixstream.deb")
	settings := filepath.Join(root, "etc/maixstream.yaml")
	if text, err := os.ReadFile(settings); err != nil || string(text) != "overlay: mine\n" {
		t.Errorf("after an upgrade: %v, %q", err, text)
	}
	chroot("dpkg", "-r", "maixstream")
	if _, err := os.Stat(filepath.Join(root, "usr/bin/maixstream")); err == nil {
		t.Error("removed, and the program is still there")
	}
	if _, err := os.Stat(settings); err != nil {
		t.Errorf("removed, not purged: %v", err)
	}
	chroot("dpkg", "-P", "maixstream")
	for _, name := range files(t, root) {
		if !slices.Contains(before, name) {
			t.Errorf("purged, and it left %s", name)
		}
	}
	for _, name := range before {
		if _, err := os.Lstat(root + name); err != nil {
			t.Errorf("purged, and it took with it: %v", err)
		}
	}
	if after, err := os.ReadFile(filepath.Join(root, "etc/passwd")); err != nil || string(after) != string(passwd) {
		t.Errorf("purged, and /etc/passwd is another: %v\n%s", err, after)
	}
}
