//go:build cgo

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

var update = flag.Bool("update", false, "write what the program prints as what it is to print")

// A first-time user's exact output. Each case runs alone in a separate network namespace, where port 8000 is free.
func TestFirstStart(t *testing.T) {
	if os.Getuid() != 0 {
		testenv.Missing(t, "the right to make network namespaces", "root")
	}
	unshare := testenv.Program(t, "unshare")
	testenv.Program(t, "ip")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{ // (without --foreground, timeout sends its signal twice)
		"no-flags":    `timeout --foreground --preserve-status -s INT 3 "$0"`,
		"typo-verb":   `"$0" srve`,
		"typo-flag":   `"$0" --sorce /dev/video0`,
		"port-taken":  `"$0" --source testcard --report 0 >/dev/null 2>&1 & for i in $(seq 100); do (: </dev/tcp/127.0.0.1/8000) 2>/dev/null && break; sleep 0.1; done; "$0"; code=$?; kill %1; wait; (exit $code)`,
		"no-webcam":   `timeout --foreground --preserve-status -s INT 5 "$0" --source /dev/video77`,
		"other-names": `"$0" --port 8080; "$0" --device /dev/video0; "$0" --resolution 1280x720`,
		"links":       `"$0" --source testcard --report 0 --rtsp 8554 --h264 off >/dev/null 2>&1 & for i in $(seq 100); do (: </dev/tcp/127.0.0.1/8000) 2>/dev/null && break; sleep 0.1; done; "$0" links --qr no; code=$?; kill %1; wait; (exit $code)`,
		"mistakes": `try() { echo "$ maixstream $*"; "$0" "$@"; echo "exit code $?"; }
			try --size 1280; try --size 0x0; try --fps abc; try --listen nonsense; try --listen :99999; try --listen 192.0.2.1:8000
			try serve extra-argument; try nonsense; try help nonsense; try push; try snapshot
			try --source /dev/null; try --source /nowhere/photos; mkdir photos; try --source photos; try --source nonsense
			try --auth-file /nowhere/users; try --config /nowhere/maixstream.yaml; try links; try find --wait 10ms; try controls`,
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(unshare, "-n", "bash", "-c", "ip link set lo up; { "+script+"; } 2>&1; echo \"exit code $?\"", self)
			cmd.Env = append(os.Environ(), beProgram+"=1")
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text := regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`).ReplaceAllString(string(out), "TIME")
			text = strings.ReplaceAll(text, "dial tcp [::1]:", "dial tcp 127.0.0.1:") // localhost, by /etc/hosts
			if others, _ := filepath.Glob("/dev/video*"); len(others) > 0 {
				text = regexp.MustCompile(`There is /dev/\S+(, /dev/\S+)*: name one with --source, or plug one in`).ReplaceAllString(text, "Plug one in")
			}
			if name == "port-taken" || name == "mistakes" { // its source may run before the port is tried, or not
				text = regexp.MustCompile(`(?m)^TIME INFO source running .*\n`).ReplaceAllString(text, "")
			}
			golden := filepath.Join("testdata", "first-start", name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if sorted(text) != sorted(string(want)) {
				t.Errorf("printed\n%s\nwant\n%s", text, want)
			}
		})
	}
}

// sorted sorts lines: those of the log and those of standard output arrive in any order.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		for k := i + 1; k < len(lines); k++ {
			if lines[k] < lines[i] {
				lines[i], lines[k] = lines[k], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// On a terminal the addresses stay, one line below them is overwritten, and log lines appear above it.
func TestTerminalHasOneStatusLine(t *testing.T) {
	script := testenv.Program(t, "script")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script, "-qec", "stty cols 60; timeout --foreground --preserve-status -s TERM 5 '"+self+"' --listen 127.0.0.1:0 --announce=false --webrtc= --source v4l2:/dev/video77", "/dev/null")
	cmd.Env = append(os.Environ(), beProgram+"=1", "TERM=xterm")
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := string(out)
	updates := strings.Split(text, clearLine)
	logged, addresses := 0, 0
	for i, update := range updates {
		last := i == len(updates)-1
		if strings.Contains(update, "WARN") {
			logged++
		}
		switch {
		case strings.Contains(update, "http://127.0.0.1:") && strings.Contains(update, "Snapshot "):
			addresses++
		case strings.Contains(update, "WARN"):
		case strings.Contains(update, "\n") && !last:
			t.Errorf("update %d goes to a new line: %q", i, update)
		case len([]rune(strings.TrimSpace(update))) >= 60:
			t.Errorf("update %d is longer than the terminal is wide: %q", i, update)
		}
	}
	if logged != 1 || addresses != 1 || len(updates) < 4 || !strings.HasSuffix(text, "\n") {
		t.Errorf("%d log lines, addresses %d times, %d updates: %q", logged, addresses, len(updates), text)
	}
}
