//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/maixstream/maixstream/internal/bench"
)

// results are those of all runs; the document is generated from their JSON.
type results struct {
	Version string        `json:"version"`
	Commit  string        `json:"commit"`
	Date    time.Time     `json:"date"`
	Machine bench.Machine `json:"machine"`
	LoadEnd string        `json:"load_average_at_end"`
	Quick   bool          `json:"quick"`
	Minutes float64       `json:"minutes"`
	Groups  []*group      `json:"groups"`
}

// group is one section of the document.
type group struct {
	Title   string    `json:"title"`
	Text    string    `json:"text"`              // what was measured, and how
	Skipped string    `json:"skipped,omitempty"` // why it was not
	Figures []*figure `json:"figures,omitempty"`
}

// figure is one line: a value per run.
type figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
	// Goal is the limit for the median: a maximum, or a minimum if AtLeast is set. nil means none.
	Goal    *float64 `json:"goal,omitempty"`
	AtLeast bool     `json:"at_least,omitempty"`
}

// add appends a run's value to the figure with that name.
func (g *group) add(name, unit string, value float64) *figure {
	for _, f := range g.Figures {
		if f.Name == name {
			f.Values = append(f.Values, value)
			return f
		}
	}
	f := &figure{Name: name, Unit: unit, Values: []float64{value}}
	g.Figures = append(g.Figures, f)
	return f
}

func (f *figure) atMost(goal float64)  { f.Goal, f.AtLeast = &goal, false }
func (f *figure) atLeast(goal float64) { f.Goal, f.AtLeast = &goal, true }

func (f *figure) sorted() []float64 {
	v := slices.Clone(f.Values)
	slices.Sort(v)
	return v
}

func (f *figure) median() float64 {
	v := f.sorted()
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// met reports whether the median reaches the goal.
func (f *figure) met() bool {
	if f.AtLeast {
		return f.median() >= *f.Goal
	}
	return f.median() <= *f.Goal
}

func readResults(path string) (*results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

func (r *results) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
