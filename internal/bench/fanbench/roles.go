//go:build linux

package fanbench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server"
)

// What is measured runs in a process of its own, so that its CPU time and memory are nobody else's: this program again, in a role. A role
// answers each line on its standard input with a line of JSON, and ends with its input.

// roleVariable holds a child's role as JSON.
const roleVariable = "MAIXSTREAM_BENCH_ROLE"

// Role is what a child does.
type Role struct {
	// Kind is "viewers", "bare" (the least that a server could do) or "server" (this module's).
	Kind    string
	Address string // host:port to connect to, or to listen at
	Viewers int    // how many connect, or are served by the bare loop

	// Of viewers.
	Path                  string // of the stream
	Markers, Sums, Record bool   // as Viewers'
	BytesPerSec           float64
	Stalled               bool // connect and never read

	// Of servers.
	FPS, Size int    // Payload pictures of Size bytes so many times a second
	Pictures  string // or the pictures in this file, as WritePictures writes it
	Profile   string // "server": write a CPU profile to this file, of all the time until the end
}

// Usage is what a server's child has used so far.
type Usage struct {
	RSS    int64  // bytes resident now
	Allocs uint64 // objects on Go's heap so far
	// Published counts the frames that a "server" role has published.
	Published uint64
}

// RunRole does what this process was started for by Start, and never returns then. Programs that start children call it first thing.
func RunRole() {
	text := os.Getenv(roleVariable)
	if text == "" {
		return
	}
	var r Role
	err := json.Unmarshal([]byte(text), &r)
	// A Ctrl-C at the terminal reaches children, too: they end with their input, once their parent has asked for the last figures.
	signal.Ignore(os.Interrupt)
	if err == nil {
		switch r.Kind {
		case "viewers":
			err = r.view()
		case "bare", "server":
			err = r.serve()
		default:
			err = fmt.Errorf("unknown role %q", r.Kind)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench, %s: %v\n", r.Kind, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// view connects, says so with a line, reads all the time, and answers "DURATION" with the Report of that time from then on.
func (r *Role) view() error {
	var v *Viewers
	var err error
	if r.Stalled {
		v, err = ConnectStalled(r.Address, r.Path, r.Viewers)
	} else {
		v, err = Connect(r.Address, r.Path, r.Viewers)
	}
	if err != nil {
		return err
	}
	defer v.Close()
	v.Markers, v.Sums, v.BytesPerSec = r.Markers, r.Sums, r.BytesPerSec
	fmt.Println("{}")
	asked := make(chan time.Duration)
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			d, err := time.ParseDuration(lines.Text())
			if err != nil {
				return
			}
			asked <- d
		}
	}()
	for {
		select {
		case d, ok := <-asked:
			if !ok {
				return nil
			}
			v.Record = r.Record
			report, err := v.Read(d)
			if err != nil {
				return err
			}
			if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
				return err
			}
			v.Record = false
		default:
			if r.Stalled {
				time.Sleep(20 * time.Millisecond)
			} else if _, err := v.Read(20 * time.Millisecond); err != nil {
				return err
			}
		}
	}
}

// serve says its address with a line and serves until its input ends.
func (r *Role) serve() error {
	pictures, err := r.pictures()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", r.Address)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(l.Addr().String()); err != nil {
		return err
	}
	if r.Kind == "bare" {
		return bare(l.(*net.TCPListener), r.Viewers, pictures, r.FPS)
	}
	s := &served{}
	if r.Profile != "" {
		file, err := os.Create(r.Profile)
		if err != nil {
			return err
		}
		runtime.SetCPUProfileRate(profileHz)
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
	}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			_ = json.NewEncoder(os.Stdout).Encode(s.usage())
		}
		pprof.StopCPUProfile()
		os.Exit(0)
	}()
	return s.run(l, pictures, r.FPS)
}

func (r *Role) pictures() ([][]byte, error) {
	if r.Pictures != "" {
		return readPictures(r.Pictures)
	}
	pictures := make([][]byte, 8)
	for i := range pictures {
		pictures[i] = Payload(i, r.Size)
	}
	return pictures, nil
}

// profileHz is more than the runtime's 100: a server that is busy a tenth of the time would give few samples.
const profileHz = 1000

// served is a server whose ring a ticker fills.
type served struct {
	mu        sync.Mutex
	published uint64
}

func (s *served) usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{RSS: RSS(os.Getpid()), Allocs: m.Mallocs, Published: s.published}
}

func (s *served) run(l net.Listener, pictures [][]byte, fps int) error {
	most := 0
	for _, p := range pictures {
		most = max(most, len(p))
	}
	r, err := ring.New(ring.Config{SlotSize: most, Envelope: server.Envelope()})
	if err != nil {
		return err
	}
	web, err := server.New(server.Config{Feed: &Feed{r}, Listeners: []net.Listener{l}})
	if err != nil {
		return err
	}
	if err := web.Start(); err != nil {
		return err
	}
	ticker, err := newTicker(time.Second / time.Duration(fps))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := ticker.wait(); err != nil {
			return err
		}
		v, ok := r.Reserve()
		if !ok {
			return errors.New("viewers hold every slot of the ring")
		}
		captured := time.Now()
		p := frame.Picture{Size: copy(v.Buffer(r), pictures[i%len(pictures)]), Captured: captured}
		if err := r.Publish(v, &p, time.Now()); err != nil {
			return err
		}
		s.mu.Lock()
		s.published++
		s.mu.Unlock()
	}
}

// Feed is a server.Feed around a ring that somebody else fills; it has no settings.
type Feed struct{ Frames *ring.Ring }

// Ring returns Frames.
func (f *Feed) Ring() *ring.Ring { return f.Frames }

// Watch does nothing: the ring is filled in any case.
func (f *Feed) Watch() func() { return func() {} }

// Snapshot fills fr with the next frame captured at or after notBefore.
func (f *Feed) Snapshot(ctx context.Context, notBefore time.Time, fr *ring.Frame) error {
	reader := f.Frames.NewReader()
	defer reader.Close()
	for {
		if err := reader.Next(ctx, fr); err != nil {
			return err
		}
		if !fr.Meta().Captured.Before(notBefore) {
			return nil
		}
		fr.Release()
	}
}

// State says that there is a signal.
func (f *Feed) State() pipeline.State { return pipeline.State{Signal: true} }

// Change refuses.
func (f *Feed) Change(context.Context, pipeline.Change) (pipeline.Settings, error) {
	return pipeline.Settings{}, frame.ErrUnsupported
}

var _ server.Feed = (*Feed)(nil)

// Child is a process in a role. One goroutine uses it.
type Child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// Address is where a server's child listens.
	Address string
}

// Start runs this program again in a role, in the network namespace of that name ("": the machine's own), and waits until it serves or has connected.
// prefix, if any, are a program and its arguments that run it (an emulator, a profiler).
func Start(namespace string, role Role, prefix ...string) (*Child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return StartProgram(append(prefix, exe, "bench"), namespace, role)
}

// StartProgram is Start with another program, which calls RunRole as well.
func StartProgram(command []string, namespace string, role Role) (*Child, error) {
	text, err := json.Marshal(role)
	if err != nil {
		return nil, err
	}
	if namespace != "" {
		command = append([]string{"ip", "netns", "exec", namespace}, command...)
	}
	c := &Child{cmd: exec.Command(command[0], command[1:]...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 1<<20)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench, start %s: %w", role.Kind, err)
	}
	if role.Kind == "viewers" {
		err = c.answer(&struct{}{})
	} else {
		err = c.answer(&c.Address)
	}
	if err != nil {
		c.End()
		return nil, err
	}
	return c, nil
}

func (c *Child) answer(into any) error {
	line, err := c.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, into)
	}
	if err != nil {
		return fmt.Errorf("bench, child: %w", err)
	}
	return nil
}

// PID is the child's process number.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// CPU is the time that the child has spent so far.
func (c *Child) CPU() (time.Duration, error) { return ProcessCPU(c.PID()) }

// Usage asks a server's child what it has used.
func (c *Child) Usage() (u Usage, err error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return u, fmt.Errorf("bench, child: %w", err)
	}
	err = c.answer(&u)
	return u, err
}

// Read has a viewers' child read for d and returns what it saw.
func (c *Child) Read(d time.Duration) (r Report, err error) {
	if _, err := fmt.Fprintln(c.in, d); err != nil {
		return r, fmt.Errorf("bench, child: %w", err)
	}
	err = c.answer(&r)
	return r, err
}

// End ends the child and waits for it.
func (c *Child) End() {
	c.in.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.cmd.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		_ = c.cmd.Process.Kill()
		<-ended
	}
}

// ProcessCPU returns the time that a process has spent so far, user and system together, all threads that ever were. It costs the process nothing.
func ProcessCPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	clock := ^int32(pid)<<3 | 2 // the scheduler's clock of a process (CPUCLOCK_SCHED in the kernel's include/linux/posix-timers_types.h)
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// RSS returns a process's resident memory in bytes, 0 when it cannot be read.
func RSS(pid int) int64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
