package hw

import (
	"context"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/sg2002"
)

func onBoard() bool { return sg2002.OnBoard() }

func openBoardCamera(c SourceConfig) (frame.Source, error) {
	if c.FPS == 0 {
		c.FPS = 30
	}
	camera, err := sg2002.Open(context.Background(), sg2002.Config{
		Width: c.Width, Height: c.Height, FPS: c.FPS, Quality: c.Quality, Mirror: c.Mirror, Flip: c.Flip, Overlay: c.Overlay,
		Path: c.Camera.Path, LibDir: c.Camera.LibDir, Sensor: c.Camera.Sensor, Fit: c.Camera.Fit, Still: c.Camera.Still, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	return camera, nil
}
