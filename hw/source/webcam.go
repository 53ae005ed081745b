package source

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

func openWebcam(device string, o Options) (frame.Source, error) {
	return nil, fmt.Errorf("webcam %s: %w yet", device, frame.ErrUnsupported)
}
