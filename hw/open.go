// Package hw opens cameras, other picture sources, and encoders by name.
package hw

import (
	"fmt"
	"image/color"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
)

// SourceConfig selects and configures a source. Zero fields select the defaults in brackets.
type SourceConfig struct {
	// Name is auto (the camera on a MaixCAM, elsewhere the test card), camera, testcard, a folder of photographs, a file, -,
	// v4l2:/dev/videoN, or the http URL of a stream or picture [auto].
	Name          string
	Width, Height int         // pixels [640x480]
	FPS           float64     // upper limit; a file plays at its own rate [that rate, a stream's rate, 1 for a URL that is one picture, 30 for others]
	Once          bool        // end a file at its end instead of looping it
	Recursive     bool        // include photographs in sub-folders
	Background    color.Color // behind transparent photographs [white]
	AuthFile      string      // has user:password in its first line, for a URL whose server asks for it [the URL's]
	Quality       int         // of a camera's own JPEG, 1..100 [80]
	Mirror, Flip  bool        // by the camera's own hardware
	Overlay       string      // by the camera's own hardware
	Camera        CameraOptions
	Log           *zap.Logger // [none]
}

// CameraOptions apply to the MaixCAM's camera only, except Still.
type CameraOptions struct {
	Path   string // frame: each frame is sent to the encoder by its handle; bound: the hardware hands it on alone [frame]
	LibDir string // where the chip's libraries are [where the board has them]
	Sensor string // auto or the sensor's name [auto]
	Fit    string // how the sensor's picture becomes Width x Height: crop, pad, stretch [crop]
	Still  bool   // single pictures of the sensor's size: memory kept for them, 13 MB of ION for 2560x1440 (frame.Stiller); of a webcam: frame.StillOpener [no]
}

func (c *SourceConfig) setDefaults() {
	if c.Name == "" {
		c.Name = "auto"
	}
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.Quality == 0 {
		c.Quality = 80
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
}

// OpenSource opens a source. The result is a frame.RawSource, a frame.JPEGSource, or, for sources that are H.264 already, only a frame.VideoSource.
func OpenSource(c SourceConfig) (frame.Source, error) {
	c.setDefaults()
	if err := frame.CheckSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	if err := frame.CheckQuality(c.Quality); err != nil {
		return nil, err
	}
	switch c.Name {
	case "auto":
		if onBoard() {
			return openBoardCamera(c)
		}
		c.Name = "testcard"
	case "camera":
		return openBoardCamera(c)
	}
	src, err := source.Open(c.Name, source.Options{
		Width: c.Width, Height: c.Height, FPS: c.FPS, Once: c.Once, Recursive: c.Recursive, Background: c.Background, AuthFile: c.AuthFile, Still: c.Camera.Still,
		Warn: func(err error) { c.Log.Warn("source", zap.Error(err)) },
	})
	if err != nil {
		return nil, fmt.Errorf("hw: %w", err)
	}
	return src, nil
}
