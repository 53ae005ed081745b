package pipeline

import (
	"errors"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// ErrNoSignal means that the source is away, so there is no current picture. It is wrapped with the reason.
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

// Change is a request to change some settings: nil fields are unchanged.
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

// SettingError reports a refused setting: the value is out of range, or the source does not support it.
type SettingError struct {
	Name   string // as in /api/settings; "source" if the source is away
	Value  any
	Reason string // what would be accepted
}

// State is a snapshot of a pipeline's state.
type State struct {
	Source  frame.Info
	Encoder string // "libjpeg-turbo", "hardware (VENC)", "pass-through"
	Workers int    // parallel software encoders; 0: none
	Signal  bool   // frames arrive
	Reason  string
	// NoPictures is why no JPEGs can be made from the source's H.264; "" if they can.
	NoPictures string
	Idle       bool // no viewers: the encoder is idle
	// Interval is the longest recent time between two pictures of a live source's sender, in seconds; 0 if it is unknown, or there is none.
	Interval float64
	// CapturedFPS and FPS are the rates captured and published in the last full second.
	CapturedFPS float64
	WantedFPS   float64 // requested from the source now: the setting, or less without viewers
	FPS         float64
	BytesPerSec float64
	// EncodeMS is the time from capture to publication, in milliseconds, of the last second's frames.
	EncodeMS Quantiles
	// Counted since the start.
	Captured  uint64
	Published uint64
	Dropped   Dropped
	Restarts  uint64 // how often the source was reopened
	Newest    Newest
	Video     *VideoState // nil: configured without
	Settings  Settings
	Can       Can
	// Controls is incremented whenever a camera control changes.
	Controls uint64
}

// Quantiles of a duration over the last second, in milliseconds.
type Quantiles struct {
	P50 float64
	P95 float64
	P99 float64
}

// Dropped counts frames that were captured but not published, by cause.
type Dropped struct {
	Rate    uint64 // above the wanted rate, or idle
	Encoder uint64 // all workers busy: replaced by a newer frame
	Ring    uint64 // every slot held by slow readers
	Broken  uint64 // bad JPEG or failed encoding
	Missed  uint64 // gaps in the source's sequence
	// Reason is why the last of Broken was dropped, ReasonAt when, and ReasonCount how many were dropped in a row for that reason; "": none was.
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
