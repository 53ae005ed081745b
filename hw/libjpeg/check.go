package libjpeg

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// check validates a frame and a quality for encoding, and maps the frame.
func check(f *frame.Frame, quality int) error {
	err := frame.CheckQuality(quality)
	if err == nil {
		err = f.Map()
	}
	if err == nil {
		err = f.Check()
	}
	if err != nil {
		return fmt.Errorf("libjpeg: encode: %w", err)
	}
	return nil
}
