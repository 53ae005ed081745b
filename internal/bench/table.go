package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
)

// WriteTable writes r as a table, with the changes since baseline if that is not nil.
func (r *Result) WriteTable(w io.Writer, baseline *Result) error {
	s := &r.Setup
	fmt.Fprintf(w, "%s (%s), %dx%d, %g fps wanted, quality %d, encoder %s", s.Source, s.Kind, s.Width, s.Height, s.FPS, s.Quality, s.Encoder)
	if s.Workers > 0 {
		fmt.Fprintf(w, " x%d", s.Workers)
	}
	fmt.Fprintf(w, ", %d viewers, %.1f s\n%s, %d cores, %s, load average %s\n\n", s.Clients, r.Seconds, r.Machine.CPU, r.Machine.Cores, r.Machine.System, r.Machine.Load)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tfps\tms p50\tp95\tp99\tCPU µs/frame\tCPU %\tfps/core\tcopies\tallocs\tbytes\tlimit µs\tof limit\t")
	for i := range r.Stages {
		r.Stages[i].row(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, s := range r.Stages {
		if s.Limit != "" {
			fmt.Fprintf(w, "limit of %s: %s\n", s.Name, s.Limit)
		}
	}
	fmt.Fprintf(w, "process: %.1f %% of a core, %s resident, first frame after %.0f ms, %d "+
		"frames dropped", r.CPUPercent, humanize.IBytes(uint64(r.RSS)), r.FirstFrame, r.Dropped)
	if s.Clients > 0 {
		fmt.Fprintf(w, "\nviewers: %d frames, all complete; %d skipped for viewers that were not ready", r.Verified, r.Skipped)
	}
	fmt.Fprintln(w)
	if baseline != nil {
		return r.writeComparison(w, baseline)
	}
	return nil
}

func (s *Stage) row(w io.Writer) {
	ms := "\t\t"
	if s.MS != nil {
		ms = fmt.Sprintf("%.2f\t%.2f\t%.2f", s.MS.P50, s.MS.P95, s.MS.P99)
	}
	limit := "\t"
	if s.Ratio > 0 {
		limit = fmt.Sprintf("%.1f\t%.2f", s.LimitMicros, s.Ratio)
	}
	perCore := ""
	if s.CPUMicros >= 0.05 {
		perCore = fmt.Sprintf("%.0f", 1e6/s.CPUMicros)
	}
	fmt.Fprintf(w, "%s\t%.1f\t%s\t%.1f\t%.2f\t%s\t%d\t%.2f\t%.0f\t%s\t\n", s.Name, s.FPS, ms, s.CPUMicros, s.CPUPercent, perCore, s.Copies, s.Allocs, s.Bytes, limit)
}

// Change is one figure in two runs.
type Change struct {
	Stage, Figure string
	Before, After float64
}

// Ratio returns after divided by before, 0 if there was nothing before.
func (c Change) Ratio() float64 {
	if c.Before == 0 {
		return 0
	}
	return c.After / c.Before
}

// Compare returns the figures of the stages that both runs have.
func (r *Result) Compare(before *Result) []Change {
	var all []Change
	for i := range r.Stages {
		now, then := &r.Stages[i], before.Stage(r.Stages[i].Name)
		if then.Name == "" {
			continue
		}
		all = append(all, Change{now.Name, "fps", then.FPS, now.FPS}, Change{now.Name, "CPU µs/frame", then.CPUMicros, now.CPUMicros})
		if now.Ratio > 0 && then.Ratio > 0 {
			all = append(all, Change{now.Name, "of limit", then.Ratio, now.Ratio})
		}
		if now.MS != nil && then.MS != nil {
			all = append(all, Change{now.Name, "ms p50", then.MS.P50, now.MS.P50}, Change{now.Name, "ms p99", then.MS.P99, now.MS.P99})
		}
		all = append(all, Change{now.Name, "allocs/frame", then.Allocs, now.Allocs})
	}
	return append(all, Change{"process", "CPU %", before.CPUPercent, r.CPUPercent},
		Change{"process", "RSS MiB", float64(before.RSS) / (1 << 20), float64(r.RSS) / (1 << 20)})
}

func (r *Result) writeComparison(w io.Writer, before *Result) error {
	fmt.Fprintf(w, "\nbefore: %s (%s), %s\n", before.Version, before.Commit, before.Began.Format("2006-01-02 15:04"))
	if before.Setup != r.Setup {
		fmt.Fprintf(w, "caution: the setup before was %+v\n", before.Setup)
	}
	if before.Machine.CPU != r.Machine.CPU || before.Machine.Cores != r.Machine.Cores {
		fmt.Fprintf(w, "caution: the machine before was %s with %d cores; only \"of limit\" is comparable\n", before.Machine.CPU, before.Machine.Cores)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tfigure\tbefore\tafter\tafter/before\t")
	for _, c := range r.Compare(before) {
		ratio := ""
		if c.Before != 0 {
			ratio = fmt.Sprintf("%.2f", c.Ratio())
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f\t%s\t\n", c.Stage, c.Figure, c.Before, c.After, ratio)
	}
	return t.Flush()
}
