//go:build linux && cgo

package sg2002

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
)

// The libraries keep state for the lifetime of a process, and the board is found through the environment. So each test runs in its own process,
// on its own simulated board: the test binary starts itself again for that one test.

// The suite's environment. SG2002_SIM is a directory with the simulator's libraries; SG2002_TOOL another maixsim, and SG2002_EXEC a program that runs
// this binary when it is built for another architecture.
const (
	childEnv = "SG2002_CHILD"
	simEnv   = "SG2002_SIM"
	toolEnv  = "SG2002_TOOL"
	execEnv  = "SG2002_EXEC"
)

var simulator string // directory of the simulator's libraries, "" if there are none

func TestMain(m *testing.M) {
	flag.Parse()
	simulator = os.Getenv(simEnv)
	if simulator == "" {
		simulator = filepath.Join("..", "..", "build", "sim", runtime.GOARCH)
	}
	if path, err := filepath.Abs(simulator); err == nil {
		simulator = path
	}
	if _, err := os.Stat(filepath.Join(simulator, "libsys.so")); err != nil {
		simulator = ""
	}
	// Cameras mostly wait for frames, so more of them can run in parallel than there are cores.
	if set := false; os.Getenv(childEnv) == "" {
		flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
		if !set {
			_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0)))
		}
	}
	os.Exit(testenv.Main(m).Run())
}

// bench is a simulated board running a test.
type bench struct {
	*testing.T
	Simulator
	root string
}

// scenario describes the board and how the test ends.
type scenario struct {
	settings   string              // of the simulator, as in MAIXSIM_SET
	board      string              // maixcam, maixcam_pro or none
	libs       func(string) string // returns another directory of libraries
	prepare    func(*testing.T, string)
	env        func(libs string) []string // additional environment
	leavesOpen bool                       // the process ends with the camera open, on purpose
}

// onBoard runs body on a new board in a separate process, and reports the faults the simulator finds.
func onBoard(t *testing.T, s scenario, body func(*bench)) {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		b := &bench{T: t, root: os.Getenv("MAIXSTREAM_ROOT")}
		if s.libs == nil && s.env == nil {
			sim, ok, err := OpenSimulator("")
			if err != nil || !ok {
				t.Fatalf("open the simulator: %v, %v", ok, err)
			}
			b.Simulator = sim
		}
		body(b)
		if b.mpi != nil && !s.leavesOpen && !t.Failed() {
			if n := b.Faults(); n != 0 {
				t.Errorf("%d faults and leaks", n)
			}
		}
		return
	}
	if simulator == "" {
		testenv.Missing(t, "the simulator of the board's libraries", "make sim-libs")
	}
	t.Parallel()
	root := newBoard(t, s.board)
	libs := simulator
	if s.libs != nil {
		libs = s.libs(t.TempDir())
	}
	if s.prepare != nil {
		s.prepare(t, root)
	}
	ctx, cancel := context.WithTimeout(t.Context(), childTimeout())
	defer cancel()
	child := rerun(ctx, t, root, libs, s.settings)
	if s.env != nil {
		child.Env = append(child.Env, s.env(libs)...)
	}
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
	checkReport(t, root, s.leavesOpen)
}

// childTimeout is the timeout of a test's process: a day for a soak.
func childTimeout() time.Duration {
	if os.Getenv("SOAK_FRAMES") != "" {
		return 24 * time.Hour
	}
	return 8 * time.Minute
}

// newBoard lays out a board's files.
func newBoard(t *testing.T, board string) string {
	t.Helper()
	if board == "" {
		board = "maixcam"
	}
	root := testenv.BoardDir(t)
	if out, err := exec.Command(maixsim(), "root", root, "--board", board).CombinedOutput(); err != nil {
		t.Fatalf("lay out a board: %v: %s", err, out)
	}
	// The libraries next to the tool that laid out the board may be for another machine.
	for _, dir := range []string{"mnt/system/usr/lib", "usr/lib/python3.11/site-packages/maix/dl_lib"} {
		links, _ := filepath.Glob(filepath.Join(root, dir, "*.so"))
		for _, link := range links {
			if err := os.Remove(link); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(simulator, filepath.Base(link)), link); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// emulated reports whether an emulator runs this binary: full-size pictures then take longer to encode than the driver's timeout.
func emulated() bool { return os.Getenv(execEnv) != "" }

// maixsim is the path of the simulator's program, one that runs on this machine.
func maixsim() string {
	if tool := os.Getenv(toolEnv); tool != "" {
		return tool
	}
	return filepath.Join(simulator, "maixsim")
}

// rerun returns a command that runs only this test, on the board at root.
func rerun(ctx context.Context, t *testing.T, root, libs, settings string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var pattern []string
	for _, part := range strings.Split(t.Name(), "/") {
		pattern = append(pattern, "^"+part+"$")
	}
	args := []string{self, "-test.run=" + strings.Join(pattern, "/"), "-test.count=1", "-test.v", "-test.timeout=" + childTimeout().String()}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	if wrapper := os.Getenv(execEnv); wrapper != "" {
		args = append([]string{wrapper}, args...)
	}
	child := exec.CommandContext(ctx, args[0], args[1:]...)
	child.Env = append(os.Environ(), childEnv+"="+t.Name(), "MAIXSTREAM_ROOT="+root, "MAIXSTREAM_MPI_LIBS="+libs, "MAIXSIM_SET="+settings,
		"MAIXSIM_TOOL="+maixsim())
	child.WaitDelay = 5 * time.Second
	return child
}

// checkReport fails for every fault that the simulator logged, and for leftovers of dead processes unless they are intended.
func checkReport(t *testing.T, root string, leavesOpen bool) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(root, ".sim", "faults.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for line := range bytes.Lines(log) {
		if bytes.HasPrefix(line, []byte("FAULT")) {
			t.Errorf("%s", line)
		}
	}
	args := []string{"report", root}
	if leavesOpen {
		args = append(args, "--allow-left")
	}
	if out, err := exec.Command(maixsim(), args...).CombinedOutput(); err != nil {
		t.Errorf("maixsim report: %v: %s", err, out)
	}
}

// within is how long a test waits for something that must happen.
const within = 60 * time.Second

// open opens the camera, which is closed when the test ends.
func (b *bench) open(config Config) *Camera {
	b.Helper()
	camera, err := Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	return camera
}

// close closes the camera and expects no leaks.
func (b *bench) close(c *Camera) {
	b.Helper()
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	if n := b.Faults(); n != 0 {
		b.Fatalf("%d faults and leaks after Close", n)
	}
}

var pictureMemory = make([]byte, 4<<20)

// read reads a picture. Its bytes are valid until the next call.
func (b *bench) read(c *Camera) ([]byte, frame.Picture) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	var p frame.Picture
	if err := c.ReadJPEG(ctx, pictureMemory, &p); err != nil {
		b.Fatalf("read: %v", err)
	}
	return pictureMemory[:p.Size], p
}

// set changes the simulator's settings.
func (b *bench) set(settings string) {
	b.Helper()
	if !b.Set(settings) {
		b.Fatalf("the simulator refuses %q", settings)
	}
}
