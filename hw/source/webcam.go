package source

import (
	"errors"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/v4l2"
)

// openWebcam opens "/dev/videoN", or "/dev/videoN:YUYV" for one pixel format.
func openWebcam(device string, o Options) (frame.Source, error) {
	if device == "" {
		return nil, errors.New("no device (v4l2:/dev/video0)")
	}
	c := v4l2.Config{Width: o.Width, Height: o.Height, FPS: o.FPS}
	if path, format, ok := strings.Cut(device, ":"); ok {
		device, c.Formats = path, []string{format}
	}
	return v4l2.Open(device, c)
}
