package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/v4l2"
)

// openWebcam opens "/dev/videoN", or "/dev/videoN:YUYV" for one pixel format.
func openWebcam(device string, o Options) (frame.Source, error) {
	if device == "" {
		return nil, errors.New("no device (v4l2:/dev/video0)")
	}
	c := v4l2.Config{Width: o.Width, Height: o.Height, FPS: o.FPS, Still: o.Still}
	if path, format, ok := strings.Cut(device, ":"); ok {
		device, c.Formats = path, []string{format}
	}
	return v4l2.Open(device, c)
}

// ErrNoControlsAlone is returned by OpenControls for sources whose controls are available only from the opened source.
var ErrNoControlsAlone = errors.New("controls only with the opened source")

// OpenControls opens only the controls of a webcam, by the name that Open accepts; they may be used while another program streams from it. done must be
// called at the end. For other sources the error wraps ErrNoControlsAlone.
func OpenControls(name string) (c frame.Controller, done func() error, err error) {
	device, ok := strings.CutPrefix(name, "v4l2:")
	if !ok {
		return nil, nil, fmt.Errorf("controls of %s: %w", name, ErrNoControlsAlone)
	}
	device, _, _ = strings.Cut(device, ":")
	return v4l2.OpenControls(device)
}
