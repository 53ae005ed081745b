package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// Result is one run; its JSON is what --json prints and --baseline reads.
type Result struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	Stages  []Stage   `json:"stages"`

	Seconds    float64 `json:"seconds"`     // that were measured, with viewers if there are any
	CPUPercent float64 `json:"cpu_percent"` // of one core: the whole process
	// Threads is the CPU time of the process's threads by their names, in µs per published frame: Go's bear the program's name, the chip's libraries
	// name their own. Those that begin with "sim-" stand for hardware, and are counted nowhere else.
	Threads    map[string]float64 `json:"threads_us_per_frame,omitempty"`
	RSS        int64              `json:"rss_bytes"` // of the process, at the end
	FirstFrame float64            `json:"first_frame_ms"`
	Dropped    uint64             `json:"dropped"` // taken and not published: no worker or no slot was free, or a picture was broken
	Skipped    int                `json:"skipped"` // published and not sent to a viewer that was not ready
	// Corrupt is always 0 in a Result: a viewer that gets a wrong length or no JPEG ends the run with an error.
	Verified int `json:"verified"` // frames whose length and markers the viewers checked
}

// Setup is what was measured.
type Setup struct {
	Source  string  `json:"source"`
	Kind    string  `json:"kind"`
	Encoder string  `json:"encoder"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	FPS     float64 `json:"fps"` // wanted
	Quality int     `json:"quality"`
	Workers int     `json:"workers"`
	Clients int     `json:"clients"`
}

// Stage is one step of a frame's way. Per frame means: of delivery, per frame and viewer. Zero means: not measured, but for Copies, Allocs and CPU.
type Stage struct {
	Name string  `json:"name"`
	FPS  float64 `json:"fps"`
	// MS is the time that the stage adds to a frame's age: from its capture to the read's end, in the encoder, to its publication, to
	// its last byte at a viewer.
	MS *Quantiles `json:"ms,omitempty"`
	// CPUMicros is CPU time per frame, CPUPercent of one core.
	CPUMicros  float64 `json:"cpu_us_per_frame"`
	CPUPercent float64 `json:"cpu_percent"`
	Bytes      float64 `json:"bytes_per_frame"`
	// Copies is how many times the stage's code copies the picture in user space; from the code, not measured.
	Copies int `json:"copies_per_frame"`
	// Allocs is how many objects on Go's heap a frame costs.
	Allocs float64 `json:"allocs_per_frame"`
	// Limit is what LimitMicros, CPU time per frame, was measured on; Ratio is the stage's own to it, both taken the same way. "" and 0: there is none.
	Limit       string  `json:"limit,omitempty"`
	LimitMicros float64 `json:"limit_us_per_frame,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
}

// Quantiles of a duration, in milliseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Stage returns the stage of that name, the zero Stage when there is none.
func (r *Result) Stage(name string) Stage {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return Stage{}
}

// WriteJSON writes r, indented.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ReadResult reads a file that WriteJSON wrote.
func ReadResult(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: no result of maixstream bench --json: %w", path, err)
	}
	if len(r.Stages) == 0 {
		return nil, fmt.Errorf("%s: no result of maixstream bench --json: it has no stages", path)
	}
	return &r, nil
}
