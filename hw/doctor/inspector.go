package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/sg2002"
)

// inspectWithin is how long opening libraries and asking a bus may take.
const inspectWithin = 20 * time.Second

// mark stands before the answer: libraries may print when they are opened.
const mark = "\nmaixstream-inspection: "

// wanted is what the other process is told.
type wanted struct {
	Width, Height           int
	FPS                     float64
	Overlay, Sensor, LibDir string
}

// Inspect is the work of the process that Config.Inspector starts: it reads what is wanted from in, opens the libraries, and writes what it
// found to out.
func Inspect(in io.Reader, out io.Writer) error {
	var w wanted
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return fmt.Errorf("doctor: what to look for: %w", err)
	}
	found, err := sg2002.Inspect(sg2002.Config{Width: w.Width, Height: w.Height, FPS: w.FPS, Overlay: w.Overlay, Sensor: w.Sensor, LibDir: w.LibDir})
	if err != nil {
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s\n", mark, text)
	return err
}

// inspect has the libraries opened by another process and returns what it found.
func inspect(ctx context.Context, c Config) (found sg2002.Inspection, err error) {
	if len(c.Inspector) == 0 {
		return found, fmt.Errorf("no program given that opens them: %w", frame.ErrUnsupported)
	}
	question, err := json.Marshal(wanted{c.Width, c.Height, c.FPS, c.Overlay, c.Sensor, c.LibDir})
	if err != nil {
		return found, err
	}
	ctx, cancel := context.WithTimeout(ctx, inspectWithin)
	defer cancel()
	command := exec.CommandContext(ctx, c.Inspector[0], c.Inspector[1:]...)
	command.WaitDelay = time.Second
	command.Env = os.Environ()
	if dir := libDir(c); dir != "" { // the libraries name one another without a path
		command.Env = append(command.Env, "LD_LIBRARY_PATH="+strings.TrimSuffix(dir+":"+os.Getenv("LD_LIBRARY_PATH"), ":"))
	}
	command.Stdin = bytes.NewReader(question)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	err = command.Run()
	_, answer, ok := bytes.Cut(out.Bytes(), []byte(mark))
	switch {
	case ok:
		if err := json.Unmarshal(answer, &found); err != nil {
			return found, fmt.Errorf("opening them in another process: its answer: %w", err)
		}
		return found, nil
	case ctx.Err() != nil:
		return found, errors.New("opening them does not come to an end")
	}
	said := strings.TrimSpace(problem.String())
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 { // the program's own words
		if _, last, ok := strings.Cut(said, "camera: "); ok {
			said = last
		}
		return found, errors.New(said)
	}
	first, _, _ := strings.Cut(said, "\n") // Go's runtime says which signal it was, and then a lot about itself
	return found, fmt.Errorf("opening one takes the process with it: %s (%v)", first, err)
}

func libDir(c Config) string {
	dir := c.LibDir
	if dir == "" {
		dir = os.Getenv("MAIXSTREAM_MPI_LIBS")
	}
	if dir == "" {
		return ""
	}
	if full, err := filepath.Abs(dir); err == nil {
		return full
	}
	return dir
}
