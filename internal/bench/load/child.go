//go:build linux

package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/maixstream/maixstream/internal/bench/usage"
)

// Child is a process with a Role. It is not safe for concurrent use.
type Child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// Address is where a server listens.
	Address string
}

// childArgs are every child's arguments, followed by its role as JSON.
var childArgs = []string{"bench", "child"}

// Start runs this program again with a role, in the named network namespace ("": the default), and waits until it serves or has connected.
// prefix, if any, is a program with arguments that runs it (an emulator, a profiler).
func Start(namespace string, role Role, prefix ...string) (*Child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return StartProgram(append(prefix, exe), namespace, role)
}

// StartProgram is Start with another program: maixstream, or one that calls RunIfChild.
func StartProgram(command []string, namespace string, role Role) (*Child, error) {
	text, err := json.Marshal(role)
	if err != nil {
		return nil, err
	}
	command = append(append(slices.Clone(command), childArgs...), string(text))
	if namespace != "" {
		command = append([]string{"ip", "netns", "exec", namespace}, command...)
	}
	c := &Child{cmd: exec.Command(command[0], command[1:]...)}
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
	if role.Kind == "viewers" || role.Kind == "players" || role.Kind == "players-whep" {
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

// PID returns the child's process ID.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// CPU returns the child's CPU time so far.
func (c *Child) CPU() (time.Duration, error) { return usage.Process(c.PID()) }

// Usage asks a server for its usage.
func (c *Child) Usage() (u Usage, err error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return u, fmt.Errorf("bench, child: %w", err)
	}
	err = c.answer(&u)
	return u, err
}

// Read lets viewers read for d and returns their report.
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
