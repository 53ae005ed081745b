package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// Result is the result of a run; its JSON is written by --json and read by --baseline.
type Result struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	Stages  []Stage   `json:"stages"`

	Seconds    float64 `json:"seconds"`     // measured, with viewers if there are any
	CPUPercent float64 `json:"cpu_percent"` // of one core: the whole process
	// Threads is the CPU time of the process's threads by name, in µs per published frame: Go's have the program's name, the chip's libraries
	// name theirs. Those beginning with "sim-" simulate hardware, and are not counted elsewhere.
	Threads    map[string]float64 `json:"threads_us_per_frame,omitempty"`
	RSS        int64              `json:"rss_bytes"` // of the process, at the end
	FirstFrame float64            `json:"first_frame_ms"`
	Dropped    uint64             `json:"dropped"` // captured but not published: no worker or slot was free, or a picture was broken
	Skipped    int                `json:"skipped"` // published but not sent to a viewer that was not ready
	// Corrupt is always 0 in a Result: a viewer that gets a wrong length or invalid JPEG ends the run with an error.
	Verified int `json:"verified"` // frames whose length and markers the viewers checked
}

// Setup describes what was measured.
type Setup struct {
	Source  string  `json:"source"`
	Kind    string  `json:"kind"`
	Encoder string  `json:"encoder"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	FPS     float64 `json:"fps"` // requested
	Quality int     `json:"quality"`
	Workers int     `json:"workers"`
	Clients int     `json:"clients"`
}

// Stage is one step of a frame's path. "Per frame" means, for delivery, per frame and viewer. Zero means not measured, except for Copies, Allocs and CPU.
type Stage struct {
	Name string  `json:"name"`
	FPS  float64 `json:"fps"`
	// MS is the time that the stage adds to a frame's age: from capture to the end of the read, in the encoder, to publication, to
	// its last byte at a viewer.
	MS *Quantiles `json:"ms,omitempty"`
	// CPUMicros is CPU time per frame, CPUPercent that of one core.
	CPUMicros  float64 `json:"cpu_us_per_frame"`
	CPUPercent float64 `json:"cpu_percent"`
	Bytes      float64 `json:"bytes_per_frame"`
	// Copies counts the copies of the picture by the stage's code in user space; from the code, not measured.
	Copies int `json:"copies_per_frame"`
	// Allocs is the number of objects per frame on Go's heap.
	Allocs float64 `json:"allocs_per_frame"`
	// Limit describes what LimitMicros, CPU time per frame, was measured on; Ratio is the stage's time divided by it, measured likewise. "" and 0: none.
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

// Stage returns the stage of that name, or the zero Stage.
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

// ReadResult reads a file written by WriteJSON.
func ReadResult(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: not a result of maixstream bench --json: %w", path, err)
	}
	if len(r.Stages) == 0 {
		return nil, fmt.Errorf("%s: not a result of maixstream bench --json: no stages", path)
	}
	return &r, nil
}
