//go:build !cgo

package libjpeg

import (
	"image"

	"github.com/maixstream/maixstream/hw/frame"
)

// decode leaves everything to image/jpeg.
func decode([]byte, bool, image.Point) (image.Image, error) { return nil, frame.ErrUnsupported }
