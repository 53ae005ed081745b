//go:build recipes

// Package recipes_test runs the recipes' commands exactly as written (make test-recipes), on "the PC" of a network of two machines:
// toolchain/recipes/network.sh.
package recipes_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// patience limits the duration of a command on a slow machine; each needs a fraction of it.
const patience = 90 * time.Second

// block is a code block of a document: ```LANGUAGE ROLE.
type block struct {
	language string
	role     string // a file name; "board": run there; "install", "display", "notrun": see follow
	text     string
	used     bool
}

// recipe is a document and the folder in which its commands run.
type recipe struct {
	t      *testing.T
	dir    string
	blocks []*block
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)(?: (\\S+))?\n(.*?)^```$")

// follow reads a document, each of whose blocks must be used by the end of the test.
func follow(t *testing.T, name string) *recipe {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := &recipe{t: t, dir: t.TempDir()}
	for dir, mode := range map[string]os.FileMode{r.dir: 0o777, filepath.Dir(r.dir): 0o755} { // VLC and nginx's workers run as other users
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		r.blocks = append(r.blocks, &block{language: m[1], role: m[2], text: m[3]})
	}
	for _, b := range r.blocks {
		switch b.role {
		case "install":
			r.checkInstall(b)
		case "display":
			r.checkDisplay(b)
		case "notrun": // for a program that is not available to the tests; the document must say so
			b.used = strings.Contains(string(text), "**not run**")
		}
	}
	t.Cleanup(func() {
		for _, b := range r.blocks {
			if !b.used && !t.Failed() {
				t.Errorf("%s: no test uses this block:\n%s", name, b.text)
			}
		}
	})
	return r
}

// checkInstall checks that the tests use the packages and versions that the document installs.
func (r *recipe) checkInstall(b *block) {
	r.t.Helper()
	b.used = true
	for line := range strings.Lines(b.text) {
		words := strings.Fields(line)
		switch {
		case len(words) > 2 && words[0] == "apt" && words[1] == "install":
			for _, name := range words[2:] {
				if out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}", name).Output(); err != nil || string(out) != "installed" {
					r.t.Errorf("%s: the test does not use this package: %s, %v", name, out, err)
				}
			}
		case len(words) == 3 && words[0] == "go" && words[1] == "install":
			path, version, _ := strings.Cut(words[2], "@")
			pins, err := os.ReadFile("../../toolchain/recipes/go.mod")
			if err != nil || !strings.Contains(string(pins), path+" "+version) {
				r.t.Errorf("%s: not the version tested (toolchain/recipes/go.mod): %v", words[2], err)
			}
		default:
			r.t.Errorf("unknown way to install: %s", line)
		}
	}
}

// checkDisplay checks the options and the address of a command that needs a display, without running it.
func (r *recipe) checkDisplay(b *block) {
	r.t.Helper()
	b.used = true
	words := strings.Fields(b.text)
	help := map[string][]string{"ffplay": {"ffplay", "-hide_banner", "-h", "full"}, "vlc": {"cvlc", "--full-help"}}[words[0]]
	if help == nil || words[len(words)-1] != board+"/stream" {
		r.t.Errorf("unknown command: %s", b.text)
		return
	}
	text, _ := r.command(help...).CombinedOutput()
	for _, word := range words {
		if strings.HasPrefix(word, "-") && !regexp.MustCompile(`(?m)(^|\s)`+regexp.QuoteMeta(word)+`\b`).Match(text) {
			r.t.Errorf("%s has no option %s", words[0], word)
		}
	}
}

// file writes the block for a file and returns its path.
func (r *recipe) file(name string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(r.find(name, func(b *block) bool { return b.role == name }).text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *recipe) find(what string, is func(*block) bool) *block {
	r.t.Helper()
	var found *block
	for _, b := range r.blocks {
		if is(b) {
			if found != nil {
				r.t.Fatalf("two blocks with %q", what)
			}
			found = b
		}
	}
	if found == nil {
		r.t.Fatalf("no block with %q", what)
	}
	found.used = true
	return found
}

// shell returns the block of commands that begins with these words.
func (r *recipe) shell(begin string) string {
	r.t.Helper()
	return r.find(begin, func(b *block) bool {
		return b.language == "sh" && strings.HasPrefix(b.text, begin) && !strings.Contains(b.role, ".")
	}).text
}

// command runs a program in the recipe's folder. VLC refuses to run as root.
func (r *recipe) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if strings.Contains(strings.Join(args, " "), "cvlc") {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		cmd.Env = append(os.Environ(), "HOME="+r.dir)
	}
	return cmd
}

// run runs a block of commands unchanged and returns its output. Blocks that read over UDP are tried three times: on a busy machine a reader
// that is delayed by a tenth of a second loses packets.
func (r *recipe) run(begin string) string {
	r.t.Helper()
	text := r.shell(begin)
	for tries := 1; ; tries++ {
		out, err := r.try(text)
		if err == nil {
			return out
		}
		if tries == 3 || !strings.Contains(text, "udp") {
			r.t.Fatal(err)
		}
		r.t.Logf("try %d: %v", tries, err)
	}
}

// try runs commands. Any output of a command that should print only errors is an error, and so are GStreamer's warnings.
func (r *recipe) try(text string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	cmd := r.command("bash", "-euo", "pipefail", "-c", text)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s%w\n%s%s", text, err, stdout.String(), stderr.String())
	}
	said := stdout.String() + stderr.String()
	if strings.Contains(text, "-v error") && stderr.Len() > 0 || strings.Contains(text, "gst-launch") && (strings.Contains(said, "WARN") || strings.Contains(said, "ERROR")) {
		return "", fmt.Errorf("%ssucceeded, but with errors:\n%s", text, said)
	}
	return stdout.String(), nil
}

func start(t *testing.T, cmd *exec.Cmd) *testenv.Output {
	t.Helper()
	b := &testenv.Output{}
	cmd.Stdout, cmd.Stderr = b, b
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer kill.Stop()
		_ = cmd.Wait() // a signal ended it
		if t.Failed() {
			t.Logf("%v:\n%s", cmd.Args, b.String())
		}
	})
	return b
}

// serve starts a block of commands that runs until the end of the test, and waits until a server responds at url.
func (r *recipe) serve(begin, url string) {
	r.t.Helper()
	start(r.t, r.command("bash", "-euo", "pipefail", "-c", r.shell(begin)))
	answers(r.t, url)
}

// answers waits until an HTTP server responds, with any status.
func answers(t *testing.T, url string) {
	t.Helper()
	until(t, url+" answers", func() bool {
		reply, err := http.Get(url)
		if err == nil {
			reply.Body.Close()
		}
		return err == nil
	})
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// board is the streaming server's address.
const board = "http://maixcam.local:8000"

// stream runs maixstream serve on the board until the end of the test.
func stream(t *testing.T, flags ...string) {
	t.Helper()
	start(t, exec.Command("ip", append(strings.Fields("netns exec board maixstream serve"), flags...)...))
	answers(t, board+"/healthz")
}

// hurry doubles the frame rate, for tests that read hundreds of frames.
func hurry(t *testing.T) { t.Setenv("MAIXSTREAM_FPS", "60") }

// onBoard runs a block of commands on the board until the end of the test.
func (r *recipe) onBoard(begin string) {
	r.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", "board", "bash", "-euo", "pipefail", "-c", r.shell(begin))
	cmd.Dir = r.dir
	start(r.t, cmd)
	answers(r.t, board+"/healthz")
}

// background runs a command until the end of the test or a call of kill.
func (r *recipe) background(cmd *exec.Cmd) (kill func()) {
	r.t.Helper()
	said := &testenv.Output{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // a signal ended it
		if r.t.Failed() {
			r.t.Logf("%v:\n%s", cmd.Args, said)
		}
	})
	r.t.Cleanup(kill)
	return kill
}

// shellCommand returns a command for a block, run by prefix.
func (r *recipe) shellCommand(text string, prefix ...string) *exec.Cmd {
	return r.command(append(prefix, "bash", "-euo", "pipefail", "-c", text)...)
}

// script runs one of the tests' own programs in the recipe's folder.
func (r *recipe) script(name string, args ...string) string {
	r.t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", append([]string{path}, args...)...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// video decodes a file with ffprobe and returns its properties.
func (r *recipe) video(name string) (codec string, width, height, frames int, seconds float64, err error) {
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries",
		"stream=codec_name,width,height,nb_read_frames:format=duration", "-of", "default=noprint_wrappers=1:nokey=1", filepath.Join(r.dir, name)).CombinedOutput()
	if err != nil {
		return "", 0, 0, 0, 0, fmt.Errorf("ffprobe %s: %w\n%s", name, err, out)
	}
	// The stream's four values, repeated for HLS, and the duration, which not every format has.
	lines := strings.Fields(strings.ReplaceAll(string(out), "N/A", "0"))
	if len(lines) < 5 {
		return "", 0, 0, 0, 0, fmt.Errorf("ffprobe %s printed %q", name, out)
	}
	if _, err := fmt.Sscan(strings.Join(append(lines[:4:4], lines[len(lines)-1]), " "), &codec, &width, &height, &frames, &seconds); err != nil {
		return "", 0, 0, 0, 0, fmt.Errorf("ffprobe %s printed %q: %w", name, out, err)
	}
	return codec, width, height, frames, seconds, nil
}

// wantVideo checks a recording of the test card.
func (r *recipe) wantVideo(name, codec string, leastFrames int) (seconds float64) {
	r.t.Helper()
	c, w, h, n, s, err := r.video(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if c != codec || w != 640 || h != 480 || n < leastFrames {
		r.t.Errorf("%s: %s %dx%d, %d frames; want %s 640x480, at least %d frames", name, c, w, h, n, codec, leastFrames)
	}
	return s
}
