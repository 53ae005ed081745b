package sg2002

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// Config holds the options for Open. Zero fields select the default in brackets.
type Config struct {
	Width, Height int     // of the pictures, in pixels, both even [640x480]
	FPS           float64 // maximum; also selects the sensor's mode [30]
	Quality       int     // 1..100 [80]; the encoder lacks 50 and 100 and uses the nearest
	Path          string  // frame: each frame is sent to the encoder by its handle; bound: the hardware passes frames on by itself [frame]
	LibDir        string  // where the chip's libraries are [the loader's search path]
	Sensor        string  // auto, or a name of Sensors [auto]
	Fit           string  // crop, pad or stretch: how the sensor's picture is fitted to Width x Height [crop]
	Mirror, Flip  bool
	Overlay       string // text with strftime's % fields ["": none]
	Still         bool   // reserve memory for Camera.Still, pictures of the sensor's size beside the stream: 13 MB of ION for 2560x1440 [no]
	Log           *zap.Logger
}

// Limits of VPSS and VENC, in pixels (VPSS_MIN_IMAGE_WIDTH, VPSS_MAX_IMAGE_WIDTH, VPSS_MAX_IMAGE_HEIGHT; the encoder needs at least 32).
const (
	minSide   = 32
	maxWidth  = 2880
	maxHeight = 4096
)

func (c *Config) check() error {
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if c.Quality == 0 {
		c.Quality = 80
	}
	for _, d := range []struct {
		value   *string
		name    string
		choices []string
	}{{&c.Path, "path", []string{"frame", "bound"}}, {&c.Fit, "fit", []string{"crop", "pad", "stretch"}}} {
		if *d.value == "" {
			*d.value = d.choices[0]
		}
		ok := false
		for _, choice := range d.choices {
			ok = ok || *d.value == choice
		}
		if !ok {
			return fmt.Errorf("camera: %s %q: must be one of %v", d.name, *d.value, d.choices)
		}
	}
	if c.Sensor == "" {
		c.Sensor = "auto"
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if !(c.FPS > 0) {
		return fmt.Errorf("camera: %v frames per second: must be more than 0", c.FPS)
	}
	if err := frame.CheckQuality(c.Quality); err != nil {
		return fmt.Errorf("camera: %w", err)
	}
	return checkSize(c.Width, c.Height)
}

func checkSize(width, height int) error {
	if width < minSide || height < minSide || width > maxWidth || height > maxHeight || width%2 != 0 || height%2 != 0 {
		return fmt.Errorf("camera: size %dx%d: %w: the hardware supports even sizes from %dx%d to %dx%d", width, height, frame.ErrSize, minSide, minSide, maxWidth, maxHeight)
	}
	return nil
}

// realQuality returns the nearest quality that the encoder has, 1 to 49 and 51 to 99: 50 would select its built-in tables.
func realQuality(quality int) int {
	switch {
	case quality == 50:
		return 51
	case quality > 99:
		return 99
	}
	return quality
}
