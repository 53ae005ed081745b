package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
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

	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// soon bounds waits for things that happen immediately on a quick machine.
const soon = 30 * time.Second

// programArgs turns the test binary into the program: arguments, one per line.
const programArgs = "MAIXSTREAM_TEST_PROGRAM_ARGS"

// TestProgramItself is not a test: program starts the test binary with it, as the program.
func TestProgramItself(t *testing.T) {
	args, ok := os.LookupEnv(programArgs)
	if !ok {
		return
	}
	os.Unsetenv(programArgs)
	os.Args = append([]string{"maixstream"}, strings.Split(args, "\n")...)
	main()
}

// process is a running program and its output.
type process struct {
	*exec.Cmd
	t     *testing.T
	ended chan struct{} // closed when it has ended and code is set
	text  testenv.Output
}

// program starts the program; it is killed at the test's end.
func program(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^TestProgramItself$"), t: t, ended: make(chan struct{})}
	p.Env = append(append(os.Environ(), programArgs+"="+strings.Join(args, "\n")), env...)
	p.Stdout, p.Stderr = &p.text, &p.text
	p.begin()
	return p
}

func (p *process) begin() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // the code says it
		close(p.ended)
	}()
	p.t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("%v:\n%s", p.Args, p.text.String())
		}
	})
}

// code waits for the end.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.ProcessState.ExitCode()
	case <-time.After(soon):
		p.t.Fatal("the program does not end")
		return -1
	}
}

// said waits until the output after the first from bytes contains text.
func (p *process) said(text string, from int) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("the program says %q", text), func() bool { return strings.Contains(p.text.String()[from:], text) })
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

var urlLine = regexp.MustCompile(`(?m)^http://\S+$`)

// url is the first that the program prints.
func (p *process) url() (found string) {
	p.t.Helper()
	until(p.t, "the program prints its URL", func() bool {
		found = urlLine.FindString(p.text.String())
		return found != ""
	})
	return found
}

// state asks for /state; user and password may be "".
func state(t *testing.T, url, user, password string) (code int, s stream.State) {
	t.Helper()
	r, err := http.NewRequest("GET", url+"/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode == http.StatusOK {
		if err := json.NewDecoder(reply.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
	}
	return reply.StatusCode, s
}

// serviceManager is systemd's side of sd_notify.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T) *serviceManager {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &serviceManager{t, conn, path}
}

// next returns the next message, "" after a timeout.
func (m *serviceManager) next(wait time.Duration) string {
	buffer := make([]byte, 4096)
	_ = m.conn.SetReadDeadline(time.Now().Add(wait))
	n, err := m.conn.Read(buffer)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		m.t.Fatal(err)
	}
	return string(buffer[:n])
}

// wants reads messages until one has that line.
func (m *serviceManager) wants(line string) string {
	m.t.Helper()
	for end := time.Now().Add(soon); time.Now().Before(end); {
		message := m.next(soon)
		for one := range strings.SplitSeq(message, "\n") {
			if one == line {
				return message
			}
		}
	}
	m.t.Fatalf("the service manager never got %q", line)
	return ""
}

func TestServiceManagerIsNotified(t *testing.T) {
	m := newServiceManager(t)
	p := program(t, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=100000"},
		"serve", "--source", "testcard", "--listen", "127.0.0.1:0", "--announce=false")
	m.wants("READY=1")
	if code, _ := state(t, p.url(), "", ""); code != 200 {
		t.Errorf("ready, but /state is %d", code)
	}
	for range 3 {
		if message := m.wants("WATCHDOG=1"); !strings.Contains(message, "STATUS=") {
			t.Errorf("no status in %q", message)
		}
	}
	_ = p.Process.Signal(syscall.SIGHUP)
	if message := m.wants("RELOADING=1"); !regexp.MustCompile(`(?m)^MONOTONIC_USEC=\d+$`).MatchString(message) {
		t.Errorf("reloading without a time: %q", message)
	}
	m.wants("READY=1")
	_ = p.Process.Signal(syscall.SIGTERM)
	m.wants("STOPPING=1")
	if code := p.code(); code != 0 {
		t.Errorf("ended with code %d", code)
	}
}

// testService is a service around a pipeline whose source is controlled by the test.
func testService(t *testing.T, open func(context.Context, pipeline.Settings) (frame.Source, error), noSignal func(string, int, int) ([]byte, error)) *service {
	r, err := ring.New(ring.Config{SlotSize: 1 << 16, Envelope: stream.Envelope()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(pipeline.Config{
		Open: open, Ring: r, NoSignal: noSignal,
		Settings: pipeline.Settings{Quality: 80, FPS: 30, Width: 64, Height: 48}, IdleFPS: 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := stream.New(stream.Config{Feed: p})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		shown.Close()
		p.Close()
		r.Close()
	})
	return &service{log: zap.NewNop(), pipeline: p, stream: shown, health: health{pipeline: p, patience: 700 * time.Millisecond}}
}

// pingsOf runs a service under a watchdog for three seconds and counts the pings of the last half: initially everything may look healthy.
func pingsOf(t *testing.T, s *service) (late int) {
	m := newServiceManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "100000")
	none := time.Duration(0)
	s.flags, s.terminal = &serveFlags{report: &none}, terminal{in: strings.NewReader("")}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	defer running.Wait()
	defer cancel()
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		if message := m.next(100 * time.Millisecond); strings.HasPrefix(message, "WATCHDOG=1") && time.Since(began) > 1500*time.Millisecond {
			late++
		}
	}
	return late
}

func TestWatchdogGetsNoPingFromAHungSource(t *testing.T) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	s := testService(t, func(context.Context, pipeline.Settings) (frame.Source, error) {
		<-end // a driver that never returns
		return nil, frame.ErrGone
	}, nil)
	if late := pingsOf(t, s); late > 0 {
		t.Errorf("%d pings although nothing goes on", late)
	}
}

func TestWatchdogGetsPingsWhileTheSourceIsUnplugged(t *testing.T) {
	picture := []byte("\xff\xd8 says no signal \xff\xd9")
	s := testService(t, func(context.Context, pipeline.Settings) (frame.Source, error) {
		return nil, fmt.Errorf("unplugged: %w", frame.ErrGone)
	}, func(string, int, int) ([]byte, error) { return picture, nil })
	s.health.patience = 2 * time.Second // it is tried again every second, and later every few
	if late := pingsOf(t, s); late == 0 {
		t.Error("no ping: the service would be killed because its camera is unplugged")
	}
	testenv.Eventually(t, "it is told", func() bool {
		problem := s.health.report()
		return errors.Is(problem, pipeline.ErrNoSignal) && strings.Contains(problem.Error(), "unplugged")
	})
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return testenv.File(t, dir, name, text) }
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	users := file("users", "anna:"+hash("first")+"\n")
	base := "source: testcard\nlisten: 127.0.0.1:0\nannounce: false\nreport: 0s\nauth-file: " + users + "\n"
	config := file("config.yaml", base+"quality: 80\n")
	// The command line also overrides the file at a reload.
	p := program(t, nil, "serve", "--config", config, "--fps", "25")
	url := p.url()
	if code, s := state(t, url, "anna", "first"); code != 200 || s.Settings.Quality != 80 || s.Settings.FPS != 25 {
		t.Fatalf("before: %d %+v", code, s.Settings)
	}
	until(t, "frames", func() bool { _, s := state(t, url, "anna", "first"); return s.Signal })
	reload := func(text, reply string) {
		t.Helper()
		from := len(p.text.String())
		file("config.yaml", text)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.said(reply, from)
	}

	file("users", "anna:"+hash("second")+"\n")
	reload(base+"quality: 500\n", "keeping the current one")
	if code, s := state(t, url, "anna", "first"); code != 200 || s.Settings.Quality != 80 {
		t.Errorf("a broken file changed something: %d %+v", code, s.Settings)
	}

	changed := strings.Replace(base, "listen: 127.0.0.1:0", "listen: ['127.0.0.1:0', '127.0.0.2:0']", 1) +
		"quality: 35\nsize: 320x240\nfps: 5\noverlay: garden\nmirror: true\nmax-clients: 3\ncors: '*'\nidle-fps: 2\nlog-level: debug\nbitrate: 900k\n"
	reload(changed, "reloaded")
	p.said(`"setting": "listen"`, 0)
	if code, _ := state(t, url, "anna", "first"); code != 401 {
		t.Errorf("the old password still opens: %d", code)
	}
	code, s := state(t, url, "anna", "second")
	want := stream.Settings{Quality: 35, FPS: 25, Width: 320, Height: 240, Mirror: true, Bitrate: 900_000, GOP: 2, Overlay: "garden"}
	if code != 200 || s.Settings != want || s.Server.MaxClients != 3 {
		t.Errorf("after: %d %+v, %d clients at most; want %+v, 3", code, s.Settings, s.Server.MaxClients, want)
	}
	until(t, "pictures of the new size", func() bool { _, s := state(t, url, "anna", "second"); return s.Newest.Width == 320 })

	file("users", "no entry\n")
	reload(changed, "keeping the current configuration")
	if code, _ := state(t, url, "anna", "second"); code != 200 {
		t.Errorf("a broken auth file locked out who was in: %d", code)
	}
	if code, _ := state(t, url, "", ""); code != 401 {
		t.Errorf("a broken auth file lets everybody in: %d", code)
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	if code := p.code(); code != 0 {
		t.Errorf("ended with code %d", code)
	}
}

func TestReloadWaitsForAnUnpluggedSource(t *testing.T) {
	var mu sync.Mutex
	var here bool
	s := testService(t, func(context.Context, pipeline.Settings) (frame.Source, error) {
		mu.Lock()
		defer mu.Unlock()
		if !here {
			return nil, frame.ErrGone
		}
		return &greySource{}, nil
	}, nil)
	flags := &serveFlags{sourceFlags: &sourceFlags{fps: 12}}
	s.flags, s.pending = flags, []string{"fps"}
	s.changeSource(context.Background())
	if len(s.pending) == 0 {
		t.Fatal("forgotten while the source was away")
	}
	mu.Lock()
	here = true
	mu.Unlock()
	until(t, "the source is back", func() bool { return s.pipeline.State().Signal })
	s.changeSource(context.Background())
	if got := s.pipeline.State().Settings.FPS; got != 12 || len(s.pending) > 0 {
		t.Errorf("%v fps, pending %v", got, s.pending)
	}
}

// greySource is an endless source of JPEG whose content does not matter.
type greySource struct{ frames uint64 }

func (g *greySource) Info() frame.Info { return frame.Info{Name: "grey", FPS: 30} }
func (g *greySource) Close() error     { return nil }
func (g *greySource) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
	}
	g.frames++
	*p = frame.Picture{Size: copy(dst, "\xff\xd8\xff\xd9"), Width: 64, Height: 48, Captured: time.Now(), Sequence: g.frames}
	return nil
}

var _ frame.JPEGSource = (*greySource)(nil)

// Closing the terminal must release the camera.
func TestTerminalHangupEndsTheProgram(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^TestProgramItself$"), t: t, ended: make(chan struct{})}
	p.Env = append(os.Environ(), programArgs+"=serve\n--source\ntestcard\n--listen\n127.0.0.1:0\n--announce=false")
	p.Stdin, p.Stdout, p.Stderr = slave, &p.text, &p.text
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p.begin()
	slave.Close()
	p.url()
	master.Close()
	if p.code(); !p.ProcessState.Exited() && p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGHUP {
		t.Errorf("ended with %v", p.ProcessState)
	}
}
