// Package doctor looks over a machine that is to stream: on a MaixCAM its libraries, kernel modules, device nodes, sensor and memory, one
// check each, every one with what was found and, where that is wrong, what to do. Nothing that it does disturbs a stream that runs: it reads
// files, opens the chip's libraries in a process of its own without calling them, and leaves the sensor's bus alone while the camera is in use.
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

// A Note is worth knowing and stands in nobody's way: it does not make a Report wrong.
const (
	OK    Status = "ok"
	Note  Status = "note"
	Wrong Status = "wrong"
)

// Check is one line of a report.
type Check struct {
	Name   string   `json:"name"`
	Status Status   `json:"status"`
	Found  string   `json:"found"`            // what is there, or what is wrong
	Remedy string   `json:"remedy,omitempty"` // what to do
	Items  []string `json:"items,omitempty"`  // all of what Found may shorten: files, functions, addresses
}

// Report is what Examine found.
type Report struct {
	MaixCAM bool    `json:"maixcam"`
	Checks  []Check `json:"checks"`
}

// Wrong counts what is wrong.
func (r *Report) Wrong() int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == Wrong {
			n++
		}
	}
	return n
}

// Config says what the machine is to be able to do. Zero fields take the default in brackets.
type Config struct {
	Source        string  // auto, or camera: then a machine that is not a MaixCAM is wrong [auto]
	Width, Height int     // of the pictures, pixels [640x480]
	FPS           float64 // [30]
	Overlay       string  // the text over the pictures [none]
	Sensor        string  // auto, or the name of the sensor that should be there [auto]
	LibDir        string  // where the chip's libraries are [the loader's search path]

	// Inspector is the command that calls Inspect: a process of its own, because libraries that are broken may take it with them. It gets
	// the Config as JSON on standard input.
	Inspector []string
	// Addresses returns the addresses of this machine that others may reach it by [those of its interfaces].
	Addresses func() ([]Address, error)
}

// Examine does all checks. It takes a second or two, at most inspectWithin.
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
		r.add(Check{Name: "sensor", Status: Note, Found: "not asked: see libraries"})
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

// Add appends a check of the caller's own.
func (r *Report) Add(c Check) { r.add(c) }

// Write writes the report for a person: a line a check, what to do below it, and a line that sums up.
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
		fmt.Fprintln(&text, "\n1 thing is wrong.")
	case n > 1:
		fmt.Fprintf(&text, "\n%d things are wrong; the first may be the cause of others.\n", n)
	case r.MaixCAM:
		fmt.Fprintln(&text, "\nAll is fine.")
	default:
		fmt.Fprintln(&text, "\nNothing is wrong; only a MaixCAM's camera is not to be had here.")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// some lists the first few of many.
func some(items []string) string {
	const few = 6
	if len(items) <= few {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:few], ", "), len(items)-few)
}
