//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// writeDocument writes docs/BENCHMARKS.md; results after the first add their groups, with their own machine and date.
func writeDocument(w io.Writer, all ...*results) error {
	r := all[0]
	p := &printer{w: w}
	p.f("# Benchmarks\n\nMade by `make bench`%s; do not edit. [fan-out.md](fan-out.md) explains the design and what was tried.\n\n", r.quickly())
	p.f("| | |\n|---|---|\n| program | %s, commit %s |\n| date | %s, %.0f minutes |\n| machine | %s, %d cores, %s, %s, %s |\n| load "+
		"average | %s at the beginning, %s at the end |\n\n",
		r.Version, r.Commit, r.Date.Format("2006-01-02 15:04 MST"), r.Minutes,
		r.Machine.CPU, r.Machine.Cores, r.Machine.Arch, r.Machine.System, r.Machine.Go, r.Machine.Load, r.LoadEnd)
	p.f("Each figure is the median of its runs, with the lowest and highest. Times are CPU time of the server process alone, except delays and ages. " +
		"References and what is compared with them alternate within a run, each in its own process; the viewers are in a third process that checks every " +
		"frame. A load average above the benchmark's own (about 1) means that the machine was busy with other work: ratios remain valid, delays and times " +
		"do not.\n")
	for i, from := range all {
		for _, g := range from.Groups {
			p.f("\n## %s\n\n%s\n", g.Title, g.Text)
			if i > 0 {
				p.f("\n(%s, commit %s, load average %s%s)\n", from.Date.Format("2006-01-02 15:04 MST"), from.Commit, from.Machine.Load, from.quickly())
			}
			if g.Skipped != "" {
				p.f("\nNot measured: %s.\n", g.Skipped)
			}
			if len(g.Figures) == 0 {
				continue
			}
			p.f("\n| figure | median | lowest | highest | runs | goal | |\n|---|---:|---:|---:|---:|---|---|\n")
			for _, f := range g.Figures {
				v := f.sorted()
				goal, met := "", ""
				if f.Goal != nil {
					sign := "≤"
					if f.AtLeast {
						sign = "≥"
					}
					if goal, met = sign+" "+number(*f.Goal), "missed"; f.met() {
						met = "met"
					}
				}
				name := f.Name
				if f.Unit != "" {
					name += ", " + f.Unit
				}
				p.f("| %s | %s | %s | %s | %d | %s | %s |\n", name, number(f.median()), number(v[0]), number(v[len(v)-1]), len(v), goal, met)
			}
		}
	}
	return p.err
}

func (r *results) quickly() string {
	if r.Quick {
		return " (`BENCH=quick`: short runs, for a quick look only)"
	}
	return ""
}

// number formats about three digits.
func number(v float64) string {
	digits := 0
	if a := math.Abs(v); a < 100 && a != math.Trunc(a) {
		digits = 1
		if a < 10 {
			digits = 2
		}
	}
	s := fmt.Sprintf("%.*f", digits, v)
	if strings.Contains(s, ".") {
		return s
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
