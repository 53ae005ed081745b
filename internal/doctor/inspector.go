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

	"github.com/maixstream/maixstream/hw/sg2002"
)

// inspectWithin limits opening the libraries and querying the bus.
const inspectWithin = 20 * time.Second

// mark precedes the answer, opening precedes the name of each library about to be opened: libraries may print something, too.
const mark, opening = "\nmaixstream-inspection: ", "\nmaixstream-opening: "

// wanted is the other process's input.
type wanted struct {
	Width, Height           int
	FPS                     float64
	Overlay, Sensor, LibDir string
}

// Inspect is run by the process that Config.Inspector starts: it reads what is wanted from in, opens the libraries, and writes its
// findings to out.
func Inspect(in io.Reader, out io.Writer) error {
	var w wanted
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return fmt.Errorf("doctor: what to look for: %w", err)
	}
	found, err := sg2002.Inspect(sg2002.Config{Width: w.Width, Height: w.Height, FPS: w.FPS, Overlay: w.Overlay, Sensor: w.Sensor, LibDir: w.LibDir},
		func(library string) { fmt.Fprint(out, opening+library+"\n") })
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

// inspect has another process open the libraries. It returns the findings, or the problem and its remedy.
func inspect(ctx context.Context, c Config) (found sg2002.Inspection, remedy string, err error) {
	const notStarted = "run the maixstream executable built for this board (make device)"
	if len(c.Inspector) == 0 {
		return found, notStarted, errors.New("not checked: no inspector program given")
	}
	question, err := json.Marshal(wanted{c.Width, c.Height, c.FPS, c.Overlay, c.Sensor, c.LibDir})
	if err != nil {
		return found, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, inspectWithin)
	defer cancel()
	command := exec.CommandContext(ctx, c.Inspector[0], c.Inspector[1:]...)
	command.WaitDelay = time.Second
	command.Env = os.Environ()
	if dir := libDir(c); dir != "" { // the libraries refer to one another without a path
		command.Env = append(command.Env, "LD_LIBRARY_PATH="+strings.TrimSuffix(dir+":"+os.Getenv("LD_LIBRARY_PATH"), ":"))
	}
	command.Stdin = bytes.NewReader(question)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	err = command.Run()
	if _, answer, ok := bytes.Cut(out.Bytes(), []byte(mark)); ok {
		if err := json.Unmarshal(answer, &found); err != nil {
			return found, notStarted, fmt.Errorf("not checked: inspector's output: %w", err)
		}
		return found, "", nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n") // Go's runtime prints the signal first, followed by a long dump
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return found, remedyLibraries, fmt.Errorf("opening %s hangs", lastOpened(out.String()))
	case !ended:
		return found, notStarted, fmt.Errorf("not checked: %w", err)
	case exit.ExitCode() == 1: // the program's own error
		if _, words, ok := strings.Cut(first, "camera: "); ok {
			first = words
		}
		return found, "use a program built for the board (make device) and valid flags (maixstream doctor --help)", errors.New("not checked: " + first)
	}
	return found, remedyLibraries, fmt.Errorf("opening %s crashes the process: %s (%w)", lastOpened(out.String()), first, err)
}

// lastOpened returns the library being opened when the process ended.
func lastOpened(out string) string {
	at := strings.LastIndex(out, opening)
	if at < 0 {
		return "the first"
	}
	name, _, _ := strings.Cut(out[at+len(opening):], "\n")
	return name
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
