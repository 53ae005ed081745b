package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// service is the board's service script below a separate directory, with shell scripts as programs.
type service struct {
	t                      *testing.T
	root, script, dir, bin string
	boot                   string // names the boot
	copies                 int
}

func newService(t *testing.T) *service {
	t.Helper()
	root := t.TempDir()
	s := &service{t: t, root: root, script: root + "/S99maixstream", dir: root + "/opt/maixstream", bin: root + "/bin", boot: root + "/boot_id"}
	text := strings.NewReplacer("=/opt/maixstream", "="+s.dir, "=/var/log", "="+root+"/log", "=/var/run", "="+root+"/run", "=/maixapp", "="+root+"/maixapp",
		"=/etc/maixstream.yaml", "="+root+"/maixstream.yaml", "/etc/default/maixstream", root+"/default", "/proc/sys/kernel/random/boot_id", s.boot).Replace(string(serviceScript))
	for _, dir := range []string{s.dir, s.bin, root + "/log"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write(s.script, text)
	s.write(s.boot, "boot-1\n")
	s.settings("")
	s.write(s.bin+"/sync", "#!/bin/sh\n") // writing this machine's other data may take long
	t.Cleanup(func() { _, _ = s.call("stop") })
	return s
}

func (s *service) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// settings are the user's, in shell. The launcher is left to the virtual board's tests: searching for it among all of this machine's
// processes takes long.
func (s *service) settings(text string) {
	s.t.Helper()
	s.write(s.root+"/default", "LAUNCHER=keep\n"+text+"\n")
}

// runs waits until the program runs.
func (s *service) runs() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := s.call("status")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s\nits log: %s", out, s.must("log"))
		}
	}
}

// read returns a file's text, "" for a missing one.
func (s *service) read(name string) string {
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	return string(text)
}

func (s *service) call(args ...string) (string, error) {
	c := exec.Command("/bin/sh", append([]string{s.script}, args...)...)
	c.Env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "SNAPSHOTS="+s.root+"/snapshots", "DIR_NOW="+s.dir)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (s *service) must(args ...string) string {
	s.t.Helper()
	out, err := s.call(args...)
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// program returns a script that prints its name, and runs until terminated.
func program(name string) string {
	return "#!/bin/sh\n# " + name + "\ntrap 'exit 0' TERM\nwhile :; do sleep 0.1; done\n"
}

// swap puts a program on trial like the installer, and returns the name of its copy.
func (s *service) swap(name string) (file string, err error) {
	s.copies++
	file = fmt.Sprintf("%s/maixstream.new.%d", s.dir, s.copies)
	s.write(file, program(name))
	_, err = s.call("swap", file, fmt.Sprintf("%x", sha256.Sum256([]byte(program(name)))), "1000")
	return file, err
}

// install swaps and confirms.
func (s *service) install(name string) {
	s.t.Helper()
	file, err := s.swap(name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.must("confirm", file)
}

// has checks which program and which earlier one are installed ("": none), and that no part of a swap is left.
func (s *service) has(name, old string) {
	s.t.Helper()
	for file, want := range map[string]string{"maixstream": name, "maixstream.old": old} {
		if want != "" {
			want = program(want)
		}
		if got := s.read(s.dir + "/" + file); got != want {
			s.t.Errorf("%s is %q, not %q", file, got, want)
		}
	}
	left, err := filepath.Glob(s.dir + "/*")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range left {
		if base := filepath.Base(file); base != "maixstream" && base != "maixstream.old" {
			s.t.Errorf("%s is left", base)
		}
	}
}

func TestSwapConfirmAndRollback(t *testing.T) {
	s := newService(t)
	s.install("one")
	s.has("one", "")
	s.install("two")
	s.has("two", "one")
	s.runs()
	s.must("rollback")
	s.has("one", "one")
	s.must("rollback") // both names now refer to one file
	s.has("one", "one")
}

// An installer that gives up must restore the installed version, not the one before it.
func TestUndoGoesBackToTheInstalledVersionAndNoFurther(t *testing.T) {
	s := newService(t)
	s.install("one")
	s.install("two")
	s.write(s.dir+"/maixstream.new.x", "damaged on the way")
	if out, err := s.call("swap", s.dir+"/maixstream.new.x", strings.Repeat("0", 64), "1000"); err == nil || !strings.Contains(out, "damaged") {
		t.Errorf("%v: %s", err, out)
	}
	s.must("undo")
	s.runs()
	_ = os.Remove(s.dir + "/maixstream.new.x")
	s.has("two", "one")

	if _, err := s.swap("three"); err != nil {
		t.Fatal(err)
	}
	s.must("undo")
	s.has("two", "two")
	s.runs()
	s.must("undo") // the board was faster
	s.has("two", "two")

	first := newService(t)
	if _, err := first.swap("one"); err != nil {
		t.Fatal(err)
	}
	first.must("undo")
	first.has("", "")
}

// Flashed again before the board has rolled back an unconfirmed version: that one must not count as the old one.
func TestSwapOverAnOpenTrialKeepsTheConfirmedVersion(t *testing.T) {
	s := newService(t)
	s.install("good")
	first, err := s.swap("broken")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.swap("broken")
	if err != nil {
		t.Fatal(err)
	}
	// The first trial's end does not end the second, even for the same program.
	s.must("watch", "boot-1 "+first, "0")
	if got, want := s.read(s.dir+"/trial"), "boot-1 "+second+"\n"; got != want {
		t.Fatalf("the trial is %q, not %q", got, want)
	}
	if out, err := s.call("confirm", first); err == nil || !strings.Contains(out, "its trial is over") {
		t.Errorf("another's trial was confirmed: %v: %s", err, out)
	}
	s.must("watch", "boot-1 "+second, "0")
	s.has("good", "good")
	if out, err := s.call("confirm", second); err == nil || !strings.Contains(out, "its trial is over") {
		t.Errorf("a version that is gone was confirmed: %v: %s", err, out)
	}
}

func TestFailedSwapLeavesTheOldVersionRunning(t *testing.T) {
	for _, broken := range []string{"ln", "mv"} {
		s := newService(t)
		s.install("one")
		s.install("two")
		s.write(s.bin+"/"+broken, "#!/bin/sh\necho no room >&2\nexit 1\n")
		file, err := s.swap("three")
		if err == nil {
			t.Errorf("%s fails, and the swap says nothing", broken)
		}
		if got := s.read(s.dir + "/maixstream"); got != program("two") {
			t.Errorf("%s fails: installed is %q", broken, got)
		}
		s.runs()
		_ = os.Remove(s.bin + "/" + broken)
		s.must("undo")
		s.runs()
		if got := s.read(s.dir + "/maixstream"); got != program("two") {
			t.Errorf("%s fails: installed is %q", broken, got)
		}
		_ = os.Remove(file)
	}
}

// The power is cut before and after each command of a swap; the board boots with the confirmed version in every resulting state of the disk.
func TestPowerCutAnywhereInASwap(t *testing.T) {
	for _, c := range []struct {
		name, installed string
		prepare         func(s *service)
	}{
		{"over a version", "two", func(s *service) { s.install("one"); s.install("two") }},
		{"the first installation", "", func(*service) {}},
		{"over a trial", "two", func(s *service) {
			s.install("two")
			if _, err := s.swap("three"); err != nil {
				s.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			c.prepare(s)
			for _, command := range []string{"mv", "ln", "rm", "sync", "chmod"} {
				real := "/bin/" + command
				if command == "sync" {
					real = ":"
				}
				s.write(s.bin+"/"+command, fmt.Sprintf(`#!/bin/sh
snapshot() { mkdir -p "$SNAPSHOTS" && cp -a "$DIR_NOW" "$(mktemp -d "$SNAPSHOTS/XXXXXX")/dir"; }
snapshot
%s "$@"
code=$?
snapshot
exit $code
`, real))
			}
			if _, err := s.swap("four"); err != nil {
				t.Fatal(err)
			}
			s.must("stop")
			if err := os.RemoveAll(s.bin); err != nil {
				t.Fatal(err)
			}
			snapshots, err := filepath.Glob(s.root + "/snapshots/*/dir")
			if err != nil || len(snapshots) < 10 {
				t.Fatalf("%d snapshots, %v", len(snapshots), err)
			}
			// The next boot, without the services that it would start.
			functions, _, found := strings.Cut(s.read(s.script), "\ncase \"$1\" in\nstart |")
			if !found {
				t.Fatal("the script's verbs have changed")
			}
			s.write(s.root+"/functions", functions)
			s.write(s.boot, "boot-2\n")
			for _, snapshot := range snapshots {
				for _, empty := range []bool{false, true} { // a file being written has its name, but may be empty
					if empty && s.read(snapshot+"/trial") == "" {
						continue
					}
					_ = os.RemoveAll(s.dir)
					if out, err := exec.Command("cp", "-a", snapshot, s.dir).CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					if empty {
						s.write(s.dir+"/trial", "")
					}
					before, _ := exec.Command("ls", "-li", s.dir).Output()
					out, err := exec.Command("/bin/sh", "-c", ". "+s.root+"/functions; recover").CombinedOutput()
					if err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					want := ""
					if c.installed != "" {
						want = program(c.installed)
					}
					if got := s.read(s.dir + "/maixstream"); got != want {
						t.Errorf("it boots with %q, not %q; there was\n%s", got, want, before)
					}
					for _, left := range []string{"trial", "maixstream.back"} {
						if _, err := os.Stat(s.dir + "/" + left); err == nil {
							t.Errorf("%s is left of\n%s", left, before)
						}
					}
				}
			}
		})
	}
}

func TestAddressOfTheService(t *testing.T) {
	for _, c := range []struct{ settings, config, want string }{
		{"", "", "127.0.0.1:8000"},
		{"ARGS='--size 1x1 --listen :9000 --flip'", "listen: \":9001\"\n", "127.0.0.1:9000"},
		{"ARGS=--listen=192.168.1.4:80,:81", "", "192.168.1.4:80"},
		{"export MAIXSTREAM_LISTEN=[::]:9000", "listen: \":9001\"\n", "127.0.0.1:9000"},
		{"", "source: camera\nlisten: \":9001\" # all\nsize: 640x480\n", "127.0.0.1:9001"},
		{"", "listen: :9001\n", "127.0.0.1:9001"},
		{"", "listen: [\":9001\"]\n", "127.0.0.1:9001"},
		{"", "listen: [ '0.0.0.0:9001', ':9002' ]\n", "127.0.0.1:9001"},
		{"", "listen: [:9001, :9002]\n", "127.0.0.1:9001"},
		{"", "listen: [localhost:9001]\n", "localhost:9001"},
		{"", "listen:\n  - \":9001\"\n  - \":9002\"\npush: http://x:80\n", "127.0.0.1:9001"},
		{"", "listen:\n- '[fe80::1]:9001'\n", "[fe80::1]:9001"},
		{"", "listen: []\npush: http://x:80\n", "127.0.0.1:8000"},
		{"", "#listen: [\":9001\"]\nrtsp: \":8554\"\n", "127.0.0.1:8000"},
	} {
		s := newService(t)
		s.settings(c.settings)
		s.write(s.root+"/maixstream.yaml", c.config)
		if got := strings.TrimSpace(s.must("address")); got != c.want {
			t.Errorf("settings %q, file %q: %q, not %q", c.settings, c.config, got, c.want)
		}
	}
}

func TestServiceRestartsAProgramThatEnds(t *testing.T) {
	s := newService(t)
	s.write(s.dir+"/maixstream", "#!/bin/sh\necho its last words\nexit 3\n")
	s.must("start")
	for deadline := time.Now().Add(time.Minute); strings.TrimSpace(s.must("ends")) < "2"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not started again")
		}
	}
	if log := s.must("log"); !strings.Contains(log, "its last words\nmaixstream: ended with code 3 after") {
		t.Errorf("the log has %q", log)
	}
	s.must("stop")
	if out, err := s.call("status"); err == nil {
		t.Errorf("after the stop: %s", out)
	}
}

// Killing the log keeper ends neither the service nor its program, and the log continues.
func TestServiceOutlivesItsLogKeeper(t *testing.T) {
	s := newService(t)
	// Like the program, it ignores a failed write.
	s.write(s.dir+"/maixstream", "#!/bin/sh\ntrap '' PIPE\ntrap 'exit 0' TERM\nn=0\nwhile :; do n=$((n + 1)); echo line $n; sleep 0.05; done 2>/dev/null\n")
	s.must("start")
	s.runs()
	running := s.must("status")
	testenv.Eventually(t, "the log is kept", func() bool { return strings.Contains(s.must("log"), "line ") })
	for round := range 2 {
		keeper := strings.TrimSpace(s.read(s.root + "/run/maixstream/keeper"))
		for _, pid := range append(childrenOf(t, keeper), keeper) {
			if err := testenv.Kill(pid); err != nil && pid == keeper {
				t.Fatal(err)
			}
		}
		last := s.must("log")
		testenv.Eventually(t, "there is another keeper", func() bool {
			now := strings.TrimSpace(s.read(s.root + "/run/maixstream/keeper"))
			return now != "" && now != keeper
		})
		testenv.Eventually(t, "the log goes on", func() bool {
			log := s.must("log")
			return log != last && strings.Contains(log, "line ")
		})
		if now := s.must("status"); now != running || strings.TrimSpace(s.must("ends")) != "0" {
			t.Errorf("round %d: %s, then %s, ended %s times", round, running, now, s.must("ends"))
		}
	}
	s.must("stop")
	if out, err := s.call("status"); err == nil {
		t.Errorf("after the stop: %s", out)
	}
}

// childrenOf returns the processes started by a process.
func childrenOf(t *testing.T, parent string) (children []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == parent {
			children = append(children, filepath.Base(filepath.Dir(name)))
		}
	}
	return children
}
