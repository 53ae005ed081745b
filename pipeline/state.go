package pipeline

import (
	"errors"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// ErrNoSignal: the source is away, so there is no current picture. It is wrapped with the reason.
var ErrNoSignal = errors.New("no signal")

// Settings are what can be changed on a running pipeline, with the values in effect.
type Settings struct {
	Quality int     // 1..100
	FPS     float64 // frames per second wanted
	Width   int     // pixels
	Height  int
	Mirror  bool    // left to right
	Flip    bool    // top to bottom
	Rotate  int     // clockwise: 0, 90, 180 or 270 degrees
	Bitrate int     // of the H.264 stream, bits per second
	GOP     float64 // seconds between key frames of the H.264 stream
	Overlay string  // text over the picture, with strftime's % fields; "": none
}

// Change is a wish to change some settings: nil fields stay.
type Change struct {
	Quality *int
	FPS     *float64
	Width   *int
	Height  *int
	Mirror  *bool
	Flip    *bool
	Rotate  *int
	Bitrate *int
	GOP     *float64
	Overlay *string
}

// SettingError is a refused setting: the value is out of range, or this source cannot do it.
type SettingError struct {
	Name   string // as in /api/settings; "source": it is away
	Value  any
	Reason string // what would be right
}

// State is what a pipeline says of itself at one moment.
type State struct {
	Source  frame.Info
	Encoder string // "libjpeg-turbo", "hardware (VENC)", "pass-through"
	Workers int    // parallel software encoders; 0: none
	Signal  bool   // frames come in
	Reason  string
	// NoPictures is why there are no JPEGs of a source that has H.264; "": there are.
	NoPictures string
	Idle       bool // nobody looks: the encoder rests
	// CapturedFPS and FPS are what came in and what was published over the last whole second.
	CapturedFPS float64
	WantedFPS   float64 // what is asked of the source now: the setting, or less while nobody looks
	FPS         float64
	BytesPerSec float64
	// EncodeMS is capture to published, in milliseconds, of the last second's frames.
	EncodeMS Quantiles
	// Counts since the start.
	Captured  uint64
	Published uint64
	Dropped   Dropped
	Restarts  uint64 // times the source was opened again
	Newest    Newest
	Video     *VideoState // nil: the pipeline was made without
	Settings  Settings
	Can       Can
	// Controls rises each time that a control of the camera is changed.
	Controls uint64
}

// Quantiles of a duration over the last second, in milliseconds.
type Quantiles struct {
	P50 float64
	P95 float64
	P99 float64
}

// Dropped counts frames that were taken but not published, by cause.
type Dropped struct {
	Rate    uint64 // more than the wanted fps, or idle
	Encoder uint64 // all workers busy: a newer frame replaced it
	Ring    uint64 // every slot held by slow readers
	Broken  uint64 // bad JPEG or failed encoding
	Missed  uint64 // gaps in the source's own sequence
	// Reason is why the newest of Broken was dropped, ReasonAt when, and ReasonCount how many were dropped for it since another reason; "": none was.
	Reason      string
	ReasonAt    time.Time
	ReasonCount uint64
}

// Newest describes the newest frame.
type Newest struct {
	Sequence uint64
	Captured time.Time
	Width    int
	Height   int
	Quality  int
	Bytes    int
}
