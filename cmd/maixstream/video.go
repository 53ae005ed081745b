package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/video"
)

// videoFlags describe the H.264 stream.
type videoFlags struct {
	h264    *choiceValue
	bitrate bitrateValue
	gop     *time.Duration
}

func addVideoFlags(flags *pflag.FlagSet) *videoFlags {
	v := &videoFlags{h264: choice("auto", "off"), bitrate: pipeline.DefaultBitrate}
	flags.Var(v.h264, "h264", "H.264 alongside JPEG, at /video.mp4 and over RTSP at /h264, while it has viewers")
	flags.Var(&v.bitrate, "bitrate", "H.264: bits per second")
	v.gop = flags.Duration("gop", pace.Duration(pipeline.DefaultGOP), "H.264: interval between key frames; a new viewer gets one at once in any case")
	return v
}

// check rejects values out of range.
func (v *videoFlags) check() error {
	if s := v.gop.Seconds(); s < pipeline.MinGOP || s > pipeline.MaxGOP {
		return usagef("--gop %v: from %v to %v seconds", *v.gop, pipeline.MinGOP, pipeline.MaxGOP)
	}
	return nil
}

// passedBytes is the log's size for a source that delivers only H.264: such sources have large key frames, far apart.
const passedBytes = 16 << 20

// configure adds H.264 to a pipeline's configuration. first is the source, nil if it is not there yet. Close the returned log after the pipeline; it is nil with
// H.264 off.
func (v *videoFlags) configure(c *pipeline.Config, first frame.Source) (*video.Log, error) {
	c.Settings.Bitrate, c.Settings.GOP = int(v.bitrate), v.gop.Seconds()
	if v.h264.value == "off" {
		return nil, nil
	}
	size := video.DefaultBytes
	_, jpeg := first.(frame.JPEGSource)
	_, raw := first.(frame.RawSource)
	switch {
	case smallMachine():
		size /= 2
	case first != nil && !jpeg && !raw:
		size = passedBytes
	}
	log, err := video.New(video.Config{Bytes: size})
	if err != nil {
		return nil, err
	}
	c.Video = &pipeline.VideoConfig{Log: log, NewEncoder: hw.NewVideoEncoder, DecodeJPEG: hw.DecodeJPEG}
	return log, nil
}

// bitrateValue is a flag such as 2M or 800k, in bits per second.
type bitrateValue int

func (b *bitrateValue) Type() string { return "BITS" }

func (b *bitrateValue) String() string {
	n := int(*b)
	switch {
	case n >= 1e6 && n%1e5 == 0:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + "M"
	case n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

func (b *bitrateValue) Set(text string) error {
	number, unit := text, 1.0
	for suffix, factor := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = rest, factor
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if n = math.Round(n * unit); err != nil || !(n >= pipeline.MinBitrate && n <= pipeline.MaxBitrate) {
		return fmt.Errorf("bits per second, such as 2M or 800k: from %dk to %dM", pipeline.MinBitrate/1000, pipeline.MaxBitrate/1_000_000)
	}
	*b = bitrateValue(n)
	return nil
}
