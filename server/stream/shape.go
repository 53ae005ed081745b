package stream

import (
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// The types here define the JSON of /state and /api/settings; their keys are a contract. Where a type mirrors another one's fields, values are
// converted, so that the compiler notices a missing field.

// Pipeline is a pipeline.State as JSON.
type Pipeline struct {
	Source  Source `json:"source"`
	Encoder string `json:"encoder"`
	Workers int    `json:"workers"`
	Signal  bool   `json:"signal"`
	Reason  string `json:"reason,omitempty"`
	// NoPictures is why there are no JPEGs although there is a signal.
	NoPictures string `json:"no_pictures,omitempty"`
	Idle       bool   `json:"idle"`
	// Over the last whole second:
	// Interval is the longest recent time between two pictures of a live source's sender, in seconds.
	Interval    float64 `json:"interval_seconds,omitempty"`
	CapturedFPS float64 `json:"captured_fps"`
	WantedFPS   float64 `json:"wanted_fps"`
	FPS         float64 `json:"fps"`
	BytesPerSec float64 `json:"bytes_per_second"`
	// Capture to published, in milliseconds:
	EncodeMS Quantiles `json:"encode_ms"`
	// Since the start:
	Captured  uint64   `json:"captured"`
	Published uint64   `json:"published"`
	Dropped   Dropped  `json:"dropped"`
	Restarts  uint64   `json:"restarts"`
	Newest    Newest   `json:"newest"`
	Video     *Video   `json:"h264,omitempty"` // nil: no H.264
	Settings  Settings `json:"settings"`
	Can       Can      `json:"can"`
	// Controls increases with each change of /api/controls.
	Controls uint64 `json:"controls_version"`
}

// Source is a frame.Info as JSON.
type Source struct {
	Name    string  `json:"name"`
	Kind    string  `json:"kind"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	FPS     float64 `json:"fps"`
	Encoder string  `json:"encoder,omitempty"`
	Note    string  `json:"note,omitempty"`
	Sizes   []Size  `json:"sizes,omitempty"`
}

// Size is a frame.Size as JSON.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Quantiles are pipeline.Quantiles as JSON.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Dropped is a pipeline.Dropped as JSON.
type Dropped struct {
	Rate    uint64 `json:"rate"`
	Encoder uint64 `json:"encoder"`
	Ring    uint64 `json:"ring"`
	Broken  uint64 `json:"broken"`
	Missed  uint64 `json:"missed"`
	// Reason why the newest of Broken was dropped, when, and how many since that reason changed:
	Reason      string    `json:"reason,omitempty"`
	ReasonAt    time.Time `json:"reason_at,omitzero"`
	ReasonCount uint64    `json:"reason_count,omitempty"`
}

// Newest is a pipeline.Newest as JSON.
type Newest struct {
	Sequence uint64    `json:"sequence"`
	Captured time.Time `json:"captured"`
	Width    int       `json:"width"`
	Height   int       `json:"height"`
	Quality  int       `json:"quality"`
	Bytes    int       `json:"bytes"`
}

// Video is a pipeline.VideoState as JSON.
type Video struct {
	Available bool   `json:"available"`
	Reason    string `json:"reason,omitempty"`
	Encoder   string `json:"encoder"`
	Note      string `json:"note,omitempty"`
	Takers    int    `json:"takers"`
	Codec     string `json:"codec"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	// FPS and BytesPerSec are of the last whole second.
	FPS         float64 `json:"fps"`
	BytesPerSec float64 `json:"bytes_per_second"`
	Units       uint64  `json:"units"`
	Keys        uint64  `json:"keys"`
	Dropped     uint64  `json:"dropped"`
	Failed      uint64  `json:"failed"`
}

// Settings are pipeline.Settings as JSON.
type Settings struct {
	Quality int     `json:"quality"`
	FPS     float64 `json:"fps"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Mirror  bool    `json:"mirror"`
	Flip    bool    `json:"flip"`
	Rotate  int     `json:"rotate"`
	Bitrate int     `json:"bitrate"`
	GOP     float64 `json:"gop"`
	Overlay string  `json:"overlay"`
}

// Change is a pipeline.Change as JSON; missing fields stay unchanged.
type Change struct {
	Quality *int     `json:"quality,omitempty"`
	FPS     *float64 `json:"fps,omitempty"`
	Width   *int     `json:"width,omitempty"`
	Height  *int     `json:"height,omitempty"`
	Mirror  *bool    `json:"mirror,omitempty"`
	Flip    *bool    `json:"flip,omitempty"`
	Rotate  *int     `json:"rotate,omitempty"`
	Bitrate *int     `json:"bitrate,omitempty"`
	GOP     *float64 `json:"gop,omitempty"`
	Overlay *string  `json:"overlay,omitempty"`
}

// Can is a pipeline.Can as JSON.
type Can struct {
	Quality bool   `json:"quality"`
	FPS     bool   `json:"fps"`
	Orient  bool   `json:"orient"`
	Rotate  bool   `json:"rotate"`
	Overlay bool   `json:"overlay"`
	Sizes   []Size `json:"sizes"`
}

func shapeOf(s *pipeline.State) Pipeline {
	return Pipeline{
		Source: Source{
			Name: s.Source.Name, Kind: s.Source.Kind, Width: s.Source.Width, Height: s.Source.Height, FPS: s.Source.FPS, Encoder: s.Source.Encoder,
			Note: s.Source.Note, Sizes: sizesOf(s.Source.Sizes),
		},
		Encoder: s.Encoder, Workers: s.Workers, Signal: s.Signal, Reason: s.Reason, NoPictures: s.NoPictures, Idle: s.Idle, Interval: s.Interval,
		CapturedFPS: s.CapturedFPS, WantedFPS: s.WantedFPS, FPS: s.FPS, BytesPerSec: s.BytesPerSec, EncodeMS: Quantiles(s.EncodeMS),
		Captured: s.Captured, Published: s.Published, Dropped: Dropped(s.Dropped), Restarts: s.Restarts, Newest: Newest(s.Newest), Video: (*Video)(s.Video),
		Settings: Settings(s.Settings),
		Controls: s.Controls, Can: Can{
			Quality: s.Can.Quality, FPS: s.Can.FPS, Orient: s.Can.Orient, Rotate: s.Can.Rotate, Overlay: s.Can.Overlay, Sizes: sizesOf(s.Can.Sizes),
		},
	}
}

// sizesOf distinguishes nil, null in JSON, from an empty list.
func sizesOf(sizes []frame.Size) []Size {
	if sizes == nil {
		return nil
	}
	list := make([]Size, len(sizes))
	for i, s := range sizes {
		list[i] = Size(s)
	}
	return list
}
