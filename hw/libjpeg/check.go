package libjpeg

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// check says what makes a frame or a quality unfit for an encoder, and maps the frame.
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
