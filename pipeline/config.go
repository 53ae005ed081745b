package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// Config configures a Pipeline. Open and Ring are required, and NewEncoder if Open can return a source without JPEGs.
type Config struct {
	// Open opens the source for the given settings. It is called again, with backoff, whenever the source is gone.
	Open func(ctx context.Context, s Settings) (frame.Source, error)
	// NewEncoder creates a software encoder, one per worker.
	NewEncoder func() (frame.Encoder, error)
	// NewDecoder creates the decoder for a source that delivers only H.264; nil: such a source has no JPEGs.
	NewDecoder func() (frame.VideoDecoder, error)
	// Workers is how many frames are encoded concurrently; 0: one per core.
	Workers int
	// NewTransform creates what orients raw frames and draws text on them, one per worker; nil: raw frames stay unchanged.
	NewTransform func() frame.Transform
	// Ring receives the frames. The pipeline is its only producer until Close has returned; the caller closes it afterwards.
	Ring *ring.Ring
	// Settings at start; Quality, FPS, Width and Height are required.
	Settings Settings
	// Controls are set on each source that is opened, if it has them; see Pipeline.SetControls.
	Controls []frame.ControlValue
	// ControlWishes are set after Controls and override them.
	ControlWishes []ControlWish
	// KeepControls is called with all controls that were set, after each change; nil disables it. It must not call the Pipeline.
	KeepControls func([]frame.ControlValue)
	// IdleFPS is the frame rate without viewers; 0: 1.
	IdleFPS float64
	// NoSignal draws the JPEG shown while the source is away; nil: none is shown.
	NoSignal func(reason string, width, height int) ([]byte, error)
	// StallTimeout is how long a source may deliver nothing, beyond two of its frame times, before it is reopened; 0: 3 s. A live source whose
	// sender's frame time is unknown has 20 s more, and up to a minute when it is reopened: one picture tells nothing about when the next one is due.
	StallTimeout time.Duration
	// Retry is the longest wait before an absent source is reopened; 0: 5 s.
	Retry time.Duration
	// EndIsFinal ends the pipeline when the source reaches its end (frame.ErrEnd), has no picture (frame.ErrNoPicture), or is unreadable
	// (frame.ErrUnsupported), instead of reopening it.
	EndIsFinal bool
	// Explain converts an error of a source or encoder to the text that users read in State and logs, with advice that only the program knows. nil: Error.
	Explain func(error) string
	// Video configures H.264 alongside the JPEGs; nil: none.
	Video *VideoConfig
	Log   *zap.Logger // nil disables logging
}

func (c *Config) check() error {
	switch {
	case c.Open == nil:
		return errors.New("pipeline: no source to open")
	case c.Ring == nil:
		return errors.New("pipeline: no ring")
	case c.Video != nil && c.Video.Log == nil:
		return errors.New("pipeline: H.264 without a log")
	case c.Workers < 0:
		return fmt.Errorf("pipeline: %d workers: must not be negative", c.Workers)
	}
	if c.Settings.Bitrate == 0 {
		c.Settings.Bitrate = DefaultBitrate
	}
	if c.Settings.GOP == 0 {
		c.Settings.GOP = DefaultGOP
	}
	if err := frame.CheckSize(c.Settings.Width, c.Settings.Height); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	if err := checkSettings(&c.Settings); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Retry <= 0 {
		c.Retry = lastBackoff
	}
	if c.IdleFPS <= 0 {
		c.IdleFPS = 1
	}
	if c.StallTimeout <= 0 {
		c.StallTimeout = 3 * time.Second
	}
	if c.Explain == nil {
		c.Explain = error.Error
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return nil
}

// Limits of the H.264 settings: Bitrate in bits per second, GOP in seconds. The chip's encoder accepts up to 524 Mbit/s, far more than is useful.
const (
	MinBitrate     = 10_000
	MaxBitrate     = 100_000_000
	DefaultBitrate = 2_000_000
	MinGOP         = 0.1
	MaxGOP         = 60.0
	DefaultGOP     = 2.0
)

// maxFPS is more than any of the board's sensors reaches (180).
const maxFPS = 240

// Check returns a *SettingError for a setting out of range, or an error for an invalid size.
func (s *Settings) Check() error {
	if err := frame.CheckSize(s.Width, s.Height); err != nil {
		return err
	}
	return checkSettings(s)
}

// checkSettings returns an error for a value that no source could accept.
func checkSettings(s *Settings) error {
	switch {
	case s.Quality < 1 || s.Quality > 100:
		return &SettingError{"quality", s.Quality, "out of range (1 to 100)"}
	case !(s.FPS >= pace.MinFPS && s.FPS <= maxFPS):
		return &SettingError{"fps", s.FPS, fmt.Sprintf("out of range (%.6f, which is one an hour, to %d)", pace.MinFPS, maxFPS)}
	case s.Rotate != 0 && s.Rotate != 90 && s.Rotate != 180 && s.Rotate != 270:
		return &SettingError{"rotate", s.Rotate, "must be 0, 90, 180 or 270"}
	case s.Bitrate < MinBitrate || s.Bitrate > MaxBitrate:
		return &SettingError{"bitrate", s.Bitrate, fmt.Sprintf("out of range (%d to %d bit/s)", MinBitrate, MaxBitrate)}
	case !(s.GOP >= MinGOP && s.GOP <= MaxGOP):
		return &SettingError{"gop", s.GOP, fmt.Sprintf("out of range (%v to %v s)", MinGOP, MaxGOP)}
	case len(s.Overlay) > maxOverlay:
		return &SettingError{"overlay", s.Overlay[:32] + "…", fmt.Sprintf("at most %d bytes", maxOverlay)}
	}
	return nil
}

// maxOverlay limits the text over the picture: no picture has room for more.
const maxOverlay = 512
