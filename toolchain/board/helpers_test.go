//go:build board

package board_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
)

// patience bounds things that take seconds on an idle machine.
const patience = 3 * time.Minute

// boardLoader is the only name of musl's loader on the virtual board.
const boardLoader = "/lib/ld-musl-riscv64xthead.so.1"

// newBoard builds the programs and chooses ports; nothing runs yet.
func newBoard(t *testing.T) *board {
	dir, err := filepath.Abs(filepath.Join(root, "build", "board-test"))
	if err != nil {
		t.Fatal(err)
	}
	programs := filepath.Join(dir, "programs")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &board{
		t: t, dir: dir, ssh: freePort(t), http: freePort(t), flash: filepath.Join(programs, "flash"),
		one: filepath.Join(programs, "one"), two: filepath.Join(programs, "two"), broken: filepath.Join(programs, "broken"),
	}
	b.env = append(os.Environ(), "BOARD_DIR="+dir, fmt.Sprint("BOARD_SSH=", b.ssh), fmt.Sprint("BOARD_HTTP=", b.http), fmt.Sprint("BOARD_WAIT=", int(patience.Seconds())))
	host := exec.Command("go", "build", "-o", b.flash, "./toolchain/flash")
	build := []*exec.Cmd{host}
	// The two versions differ only in their version strings.
	for _, program := range []string{b.one, b.two} {
		cross := exec.Command("toolchain/go.sh", "build", "-o", program, "./cmd/maixstream")
		if other := os.Getenv("BOARD_TEST_PROGRAM"); other != "" { // a directory with a stand-in, for work on the test itself
			cross = exec.Command("cp", filepath.Join(other, filepath.Base(program)), program)
		}
		cross.Env = append(os.Environ(), "MAIXSTREAM_LDFLAGS=-X main.version="+filepath.Base(program)+" -X main.commit=test")
		build = append(build, cross)
	}
	build = append(build, exec.Command("bash", "-c", `settings=$(toolchain/env.sh) && eval "$settings" && "$CC" $TARGET_CFLAGS -O1 -s -o "$1" toolchain/board/testdata/broken.c`, "bash", b.broken))
	for _, command := range build {
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command.Args, err, out)
		}
	}
	return b
}

// freePort returns a port that was free a moment ago, outside of the range that the system allocates from: it must be free again
// whenever the board is switched on, with other tests running.
func freePort(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	const lowest = 10000
	first := 0
	if _, err := fmt.Sscan(string(text), &first); err != nil || first <= lowest {
		t.Fatalf("ports that are given to anybody begin at %q (%v)", text, err)
	}
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(first-lowest)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}
	t.Fatal("no free port")
	return 0
}

func (b *board) url(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", b.http, path) }

// command returns a board.sh command.
func (b *board) command(args ...string) *exec.Cmd {
	c := exec.Command("./board.sh", args...)
	c.Env = b.env
	return c
}

func (b *board) control(verb string) {
	b.t.Helper()
	if out, err := b.command(verb).CombinedOutput(); err != nil {
		b.t.Fatalf("board.sh %s: %v\n%s", verb, err, out)
	}
}

// run runs a shell command on the board and returns its output.
func (b *board) run(command string) string {
	b.t.Helper()
	out, err := b.command("ssh", command).CombinedOutput()
	if err != nil {
		b.t.Fatalf("on the board: %s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// installer returns the command run by `make flash`.
func (b *board) installer(args ...string) *exec.Cmd {
	return exec.Command(b.flash, append([]string{"--host=127.0.0.1", fmt.Sprint("--port=", b.ssh), fmt.Sprint("--web=127.0.0.1:", b.http), "--known-hosts=" + filepath.Join(b.dir, "known_hosts"), "--wait=" + patience.String()}, args...)...)
}

// flashes installs a program and returns the installer's output.
func (b *board) flashes(program string) string {
	b.t.Helper()
	out, err := b.installer("--program=" + program).CombinedOutput()
	if err != nil {
		b.t.Fatalf("flash %s: %v\n%s", name(program), err, out)
	}
	return string(out)
}

// refused expects the installation to fail with a message containing all texts.
func (b *board) refused(program string, texts ...string) {
	b.t.Helper()
	out, err := b.installer("--program=" + program).CombinedOutput()
	if err == nil {
		b.t.Fatalf("flash %s was not refused:\n%s", name(program), out)
	}
	for _, text := range texts {
		if !strings.Contains(string(out), text) {
			b.t.Errorf("flash %s does not say %q:\n%s", name(program), text, out)
		}
	}
}

// killedAt starts an installation and kills it when it announces the step.
func (b *board) killedAt(step, program string, args ...string) {
	b.t.Helper()
	_, _ = b.at(step, func(c *exec.Cmd) { _ = c.Process.Kill() }, program, args...)
}

// at starts an installation, calls do when it announces the step, and returns its error and output.
func (b *board) at(step string, do func(*exec.Cmd), program string, args ...string) (string, error) {
	b.t.Helper()
	c := b.installer(append([]string{"--program=" + program}, args...)...)
	stdout, err := c.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	var problems bytes.Buffer
	c.Stderr = &problems
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(stdout); !reached && lines.Scan(); {
		reached = strings.HasPrefix(lines.Text(), "flash: "+step+" ")
	}
	if reached {
		do(c)
	}
	_, _ = io.Copy(io.Discard, stdout)
	err = c.Wait()
	if !reached {
		b.t.Fatalf("the installation ended before %q: %s", step, problems.String())
	}
	return problems.String(), err
}

// whole checks that the program on the board is, apart from the loader's name, one of these files.
func (b *board) whole(programs ...string) {
	b.t.Helper()
	size := b.run("stat -c %s /opt/maixstream/maixstream && sha256sum </opt/maixstream/maixstream")
	for _, program := range programs {
		if size == b.fitted(program) {
			return
		}
	}
	b.t.Errorf("the program on the board (%s) is none of %v", size, programs)
}

// version asks the program running on the board; "" while it does not answer.
func (b *board) version() string {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(b.url("/state"))
	if err != nil {
		return ""
	}
	defer reply.Body.Close()
	var state struct {
		Version   string `json:"version"`
		Signal    bool   `json:"signal"`
		Published int    `json:"published"`
	}
	if json.NewDecoder(reply.Body).Decode(&state) != nil || !state.Signal || state.Published == 0 {
		return ""
	}
	return state.Version
}

// runs waits until one of the versions runs and has frames, and returns it.
func (b *board) runs(versions ...string) string {
	b.t.Helper()
	version := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if version = b.version(); slices.Contains(versions, version) {
			return version
		}
	}
	b.t.Fatalf("version %q runs, not %v", version, versions)
	return ""
}

// fitted returns size and checksum of a program as the installer adapts it to this board.
func (b *board) fitted(program string) string {
	b.t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		b.t.Fatal(err)
	}
	fitted, err := loader.Fit(text, boardLoader)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("%d\n%x  -", len(fitted), sha256.Sum256(fitted))
}
