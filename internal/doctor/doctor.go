// Package doctor examines a machine that is to stream: on a MaixCAM its libraries, kernel modules, device nodes, sensor and memory, one
// check each, with a finding and, for problems, a remedy. It never disturbs a running stream: it reads
// files, opens the chip's libraries in a separate process without calling them, and leaves the sensor's bus alone while the camera is in use.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/maixstream/maixstream/hw/sg2002"
)

// Status is a check's outcome.
type Status string

// A Note is worth knowing but no problem: it does not make a Report wrong.
const (
	OK    Status = "ok"
	Note  Status = "note"
	Wrong Status = "wrong"
)

// Check is one line of a report.
type Check struct {
	Name   string   `json:"name"`
	Status Status   `json:"status"`
	Found  string   `json:"found"`            // what is there, or the problem
	Remedy string   `json:"remedy,omitempty"` // what to do
	Items  []string `json:"items,omitempty"`  // everything that Found abbreviates: files, functions, addresses
}

// Report is the result of Examine.
type Report struct {
	MaixCAM bool    `json:"maixcam"`
	Checks  []Check `json:"checks"`
}

// Wrong counts the problems.
func (r *Report) Wrong() int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == Wrong {
			n++
		}
	}
	return n
}

// Config describes what the machine should be capable of. Zero fields take the default in brackets.
type Config struct {
	Source        string  // auto, or camera: a machine other than a MaixCAM is then wrong [auto]
	Width, Height int     // of the pictures, pixels [640x480]
	FPS           float64 // [30]
	Overlay       string  // the text over the pictures [none]
	Sensor        string  // auto, or the name of the expected sensor [auto]
	LibDir        string  // directory of the chip's libraries [the loader's search path]

	// Inspector is the command that calls Inspect: a separate process, because broken libraries may crash it. It gets
	// the Config as JSON on standard input.
	Inspector []string
	// Addresses returns the addresses at which others may reach this machine [those of its interfaces].
	Addresses func() ([]Address, error)
}

// Examine runs all checks. It takes a second or two, at most inspectWithin.
func Examine(ctx context.Context, c Config) *Report {
	if c.Source == "" {
		c.Source = "auto"
	}
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if c.Sensor == "" {
		c.Sensor = "auto"
	}
	if c.Addresses == nil {
		c.Addresses = interfaceAddresses
	}
	r := &Report{MaixCAM: sg2002.OnBoard()}
	if !r.MaixCAM {
		r.add(notMaixCAM(c.Source))
		r.add(encoder())
		r.add(videoEncoder())
		r.add(webcams())
		r.add(network(c.Addresses, Note))
		return r
	}
	r.add(board())
	in, remedy, err := inspect(ctx, c)
	if err != nil {
		r.add(Check{Name: "libraries", Status: Wrong, Found: err.Error(), Remedy: remedy})
	} else {
		r.add(libraries(&in))
		r.add(symbols(&in))
		r.add(drivers(&in))
	}
	r.add(modules())
	r.add(nodes())
	state := whoHasCamera()
	r.add(camera(state))
	if err == nil {
		r.add(sensor(&in, c.Sensor))
		r.add(ion(&in, state, c))
		r.add(video(&in, state, c))
	} else {
		r.add(Check{Name: "sensor", Status: Note, Found: "not checked: see libraries"})
	}
	if c, ok := lastStarts(); ok {
		r.add(c)
	}
	r.add(tuning())
	r.add(linuxMemory())
	r.add(network(c.Addresses, Wrong))
	return r
}

func (r *Report) add(c Check) { r.Checks = append(r.Checks, c) }

// Add appends a check by the caller.
func (r *Report) Add(c Check) { r.add(c) }

// Write writes the report for people: one line per check, a remedy below it, and a summary.
func (r *Report) Write(w io.Writer) error {
	var text strings.Builder
	for _, c := range r.Checks {
		word := string(c.Status)
		if c.Status == Wrong {
			word = "WRONG"
		}
		fmt.Fprintf(&text, "%-5s  %-14s %s\n", word, c.Name, c.Found)
		if c.Remedy != "" {
			fmt.Fprintf(&text, "%-5s  %-14s to do: %s\n", "", "", c.Remedy)
		}
	}
	switch n := r.Wrong(); {
	case n == 1:
		fmt.Fprintln(&text, "\n1 problem.")
	case n > 1:
		fmt.Fprintf(&text, "\n%d problems; the first may cause others.\n", n)
	case r.MaixCAM:
		fmt.Fprintln(&text, "\nNo problems.")
	default:
		fmt.Fprintln(&text, "\nNo problems, except that this machine has no MaixCAM camera.")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// firstFew lists the first few items.
func firstFew(items []string) string {
	const few = 6
	if len(items) <= few {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:few], ", "), len(items)-few)
}
