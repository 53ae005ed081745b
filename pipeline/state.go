package pipeline

import (
	"errors"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// ErrNoSignal: the source is away, so there is no picture of now. It is wrapped with the reason.
var ErrNoSignal = errors.New("no signal")

// Settings are what can be asked of a running pipeline, as it really is.
type Settings struct {
	Quality int     `json:"quality"` // 1..100
	FPS     float64 `json:"fps"`     // frames a second wanted
	Width   int     `json:"width"`   // pixels
	Height  int     `json:"height"`
	Mirror  bool    `json:"mirror"`  // left to right
	Flip    bool    `json:"flip"`    // top to bottom
	Rotate  int     `json:"rotate"`  // clockwise: 0, 90, 180 or 270 degrees
	Overlay string  `json:"overlay"` // text over the picture, with strftime's % fields; "": none
}

// Change is a wish to change some settings: nil fields stay.
type Change struct {
	Quality *int     `json:"quality,omitempty"`
	FPS     *float64 `json:"fps,omitempty"`
	Width   *int     `json:"width,omitempty"`
	Height  *int     `json:"height,omitempty"`
	Mirror  *bool    `json:"mirror,omitempty"`
	Flip    *bool    `json:"flip,omitempty"`
	Rotate  *int     `json:"rotate,omitempty"`
	Overlay *string  `json:"overlay,omitempty"`
}

// SettingError is a refused setting: the value is out of range, or this source cannot do it.
type SettingError struct {
	Name   string // as in JSON
	Value  any
	Reason string // what would be right
}

// State is what /state shows of the pipeline at one moment.
type State struct {
	Source  frame.Info `json:"source"`
	Encoder string     `json:"encoder"` // "libjpeg-turbo", "hardware (VENC)", "pass-through"
	Workers int        `json:"workers"` // parallel software encoders; 0: none
	Signal  bool       `json:"signal"`  // frames come in
	Reason  string     `json:"reason,omitempty"`
	Idle    bool       `json:"idle"` // nobody looks: the encoder rests
	// CapturedFPS and FPS are what came in and what was published over the last whole second.
	CapturedFPS float64 `json:"captured_fps"`
	WantedFPS   float64 `json:"wanted_fps"` // what is asked of the source now: the setting, or less while nobody looks
	FPS         float64 `json:"fps"`
	BytesPerSec float64 `json:"bytes_per_second"`
	// EncodeMS is capture to published, in milliseconds, of the last second's frames.
	EncodeMS Quantiles `json:"encode_ms"`
	// Counts since the start.
	Captured  uint64   `json:"captured"`
	Published uint64   `json:"published"`
	Dropped   Dropped  `json:"dropped"`
	Restarts  uint64   `json:"restarts"` // times the source was opened again
	Newest    Newest   `json:"newest"`
	Settings  Settings `json:"settings"`
	Can       Can      `json:"can"`
}

// Quantiles of a duration over the last second, in milliseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Dropped counts frames that were taken but not published, by cause.
type Dropped struct {
	Rate    uint64 `json:"rate"`    // more than the wanted fps, or idle
	Encoder uint64 `json:"encoder"` // all workers busy: a newer frame replaced it
	Ring    uint64 `json:"ring"`    // every slot held by slow readers
	Broken  uint64 `json:"broken"`  // bad JPEG or failed encoding
	Missed  uint64 `json:"missed"`  // gaps in the source's own sequence
	// Reason is why the newest of Broken was dropped, ReasonAt when, and ReasonCount how many were dropped for it since another reason; "": none was.
	Reason      string    `json:"reason,omitempty"`
	ReasonAt    time.Time `json:"reason_at,omitzero"`
	ReasonCount uint64    `json:"reason_count,omitempty"`
}

// Newest describes the newest frame.
type Newest struct {
	Sequence uint64    `json:"sequence"`
	Captured time.Time `json:"captured"`
	Width    int       `json:"width"`
	Height   int       `json:"height"`
	Quality  int       `json:"quality"`
	Bytes    int       `json:"bytes"`
}
