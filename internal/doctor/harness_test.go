//go:build linux && cgo

package doctor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/internal/doctor"
)

// TestMain turns this binary into several programs: one opens libraries for doctor, one streams, and one measures memory.
func TestMain(m *testing.M) {
	roles := map[string]func() error{
		"inspect": func() error { return doctor.Inspect(os.Stdin, os.Stdout) },
		"stream":  stream,
		"memory":  memory,
		"calls":   calls,
	}
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(testenv.Main(m).Run())
}

// stream is a program that uses the camera: stream NAME. It prints a line when pictures arrive; at the end of its input it waits for further ones,
// and prints how many of the libraries' rules were violated.
func stream() error {
	if err := os.WriteFile("/proc/self/comm", []byte(os.Args[2]), 0); err != nil {
		return err
	}
	camera, err := sg2002.Open(context.Background(), sg2002.Config{FPS: 60})
	if err != nil {
		return err
	}
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	var p frame.Picture
	room := make([]byte, 4<<20)
	const enough = 3
	for n, last := 0, -1; n != last; n++ {
		if err := camera.ReadJPEG(context.Background(), room, &p); err != nil {
			return err
		}
		if n == enough {
			fmt.Println("streams")
		}
		select {
		case <-end:
			end, last = nil, n+enough
		default:
		}
	}
	if err := camera.Close(); err != nil {
		return err
	}
	s, ok, err := sg2002.OpenSimulator("")
	if err != nil || !ok {
		return fmt.Errorf("not the simulator: %w", err)
	}
	fmt.Printf("faults %d\n", s.Faults())
	return nil
}

// memory prints a stream's memory use as predicted by Inspect, and as measured: memory CONFIG.
func memory() error {
	var c sg2002.Config
	if err := json.Unmarshal([]byte(os.Args[2]), &c); err != nil {
		return err
	}
	in, err := sg2002.Inspect(c, func(string) {})
	if err != nil {
		return err
	}
	said := int64(0)
	for _, part := range in.Memory {
		said += part.Bytes
	}
	s, ok, err := sg2002.OpenSimulator("")
	if err != nil || !ok {
		return fmt.Errorf("not the simulator: %w", err)
	}
	before := s.Counter("ion.used")
	camera, err := sg2002.Open(context.Background(), c)
	if err != nil {
		return err
	}
	defer camera.Close()
	var p frame.Picture
	if err := camera.ReadJPEG(context.Background(), make([]byte, 8<<20), &p); err != nil {
		return err
	}
	fmt.Println(said, s.Counter("ion.used")-before)
	return nil
}

// board is a simulated one, at MAIXSTREAM_ROOT.
type board struct {
	*testing.T
	root string
	tool string // the simulator's program
}

// newBoard lays out a board's files; settings are the simulator's from boot.
func newBoard(t *testing.T, kind, settings string) *board {
	t.Helper()
	root, tool := testenv.Board(t, kind, settings)
	return &board{t, root, tool}
}

func (b *board) maixsim(args ...string) {
	b.Helper()
	if out, err := exec.Command(b.tool, args...).CombinedOutput(); err != nil {
		b.Fatalf("maixsim %v: %v: %s", args, err, out)
	}
}

// start starts a program that runs until its input ends, and waits for its first line.
func (b *board) start(name string, args ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner) {
	b.Helper()
	command := exec.Command(name, args...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		b.Fatalf("%s %v ended before its first line", name, args)
	}
	return command, in, lines
}

// stream starts a program under that name that uses the camera and gets pictures.
func (b *board) stream(name string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner) {
	b.Helper()
	return b.start(os.Args[0], "stream", name)
}

// examine runs maixstream doctor.
func (b *board) examine(c doctor.Config) *doctor.Report {
	b.Helper()
	c.Inspector = []string{os.Args[0], "inspect"}
	if c.Addresses == nil {
		c.Addresses = func() ([]doctor.Address, error) { return []doctor.Address{{Interface: "wlan0", IP: "192.0.2.7"}}, nil }
	}
	r := doctor.Examine(b.Context(), c)
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		b.Fatal(err)
	}
	b.Logf("\n%s", text.String())
	return r
}

// wrong checks that exactly one check, of that name, fails, with these words in its finding and its remedy.
func (b *board) wrong(r *doctor.Report, name string, found, remedy []string) {
	b.Helper()
	var names []string
	for _, c := range r.Checks {
		if c.Status != doctor.Wrong {
			continue
		}
		names = append(names, c.Name)
		if c.Name != name {
			continue
		}
		for _, word := range found {
			if !strings.Contains(c.Found, word) {
				b.Errorf("%s: found %q: no word of %q", name, c.Found, word)
			}
		}
		for _, word := range remedy {
			if !strings.Contains(c.Remedy, word) {
				b.Errorf("%s: to do %q: no word of %q", name, c.Remedy, word)
			}
		}
	}
	if !slices.Equal(names, []string{name}) {
		b.Errorf("wrong are %q, not %q alone", names, name)
	}
}

// check returns a check by name.
func (b *board) check(r *doctor.Report, name string) doctor.Check {
	b.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	b.Fatalf("no check named %q", name)
	return doctor.Check{}
}

// libraries creates a directory with the simulator's libraries, modified by change: it returns a library's content, nil to omit it.
func (b *board) libraries(change func(name string, content []byte) []byte) {
	b.Helper()
	dir := b.TempDir()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(b.tool), "*.so"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no libraries in %s: %v", filepath.Dir(b.tool), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if content = change(filepath.Base(file), content); content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	b.Setenv("MAIXSTREAM_MPI_LIBS", dir)
}
