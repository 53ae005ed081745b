//go:build dist

package packaging_test

import (
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// unitsWith returns a folder with the units, with the program replaced.
func unitsWith(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"maixstream.service", "maixstream.socket"} {
		text, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/usr/bin/maixstream", program))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUnitsAreValid(t *testing.T) {
	dir := unitsWith(t, filepath.Join(unpacked(t, "*-linux-amd64.tar.gz"), "maixstream"))
	service, socket := filepath.Join(dir, "maixstream.service"), filepath.Join(dir, "maixstream.socket")
	cmd := exec.Command("systemd-analyze", "--man=no", "verify", service, socket)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// In tenths; a service without restrictions has 9.6.
	if out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=20", service).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// allowed returns the set of system calls allowed by the service's filter.
func allowed(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("systemd/maixstream.service")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	var add func(name string, let bool)
	add = func(name string, let bool) {
		if !strings.HasPrefix(name, "@") {
			set[name] = let
			return
		}
		for line := range strings.Lines(command(t, "systemd-analyze", "--no-pager", "syscall-filter", name)) {
			if one := strings.TrimSpace(line); strings.HasPrefix(line, " ") && !strings.HasPrefix(one, "#") && one != "" {
				add(one, let)
			}
		}
	}
	add("@default", true) // always
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(text), -1) {
		for name := range strings.FieldsSeq(m[2]) {
			add(name, m[1] == "")
		}
	}
	return set
}

// A streamer with everything enabled makes no system call that the unit's filter blocks.
func TestSystemCallsAreWithinTheUnitsFilter(t *testing.T) {
	allow := allowed(t)
	if !allow["sendmsg"] || allow["reboot"] || allow["chroot"] {
		t.Fatalf("the filter was not understood: %d calls, sendmsg %v, reboot %v", len(allow), allow["sendmsg"], allow["reboot"])
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	program := filepath.Join(unpacked(t, "*-linux-amd64.tar.gz"), "maixstream")
	notify := filepath.Join(dir, "notify")
	told := manager(t, notify)
	rtsp := testenv.FreeAddress(t)
	group, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	// With -D strace is the grandchild, so that signals reach the program.
	cmd := exec.Command("strace", "-D", "-f", "-qq", "-o", trace, program, "serve", "--source", "testcard", "--listen", "127.0.0.1:0",
		"--rtsp", rtsp, "--record", filepath.Join(dir, "record"), "--unix", filepath.Join(dir, "unix"), "--unix-mode", "0660", "--unix-group", group.Name)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=500000")
	s := start(t, cmd)
	told("WATCHDOG=1")
	s.frames(20)
	if reply, err := http.Get(s.url() + "/snapshot"); err != nil || reply.StatusCode != 200 {
		t.Errorf("snapshot: %v", err)
	}
	command(t, "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", "rtsp://"+rtsp+"/", "-frames:v", "5", "-f", "null", "-")
	s.stop()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(string(text), -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		if !allow[m[1]] && m[1] != "execve" { // systemd's own, before the filter
			t.Errorf("%s is refused by the unit's SystemCallFilter", m[1])
		}
	}
	if len(seen) < 20 || !seen["accept4"] {
		t.Errorf("the trace has only %d calls", len(seen))
	}
}
