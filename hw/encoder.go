package hw

import (
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// NewEncoder makes a software JPEG encoder.
func NewEncoder() (frame.Encoder, error) { return libjpeg.NewEncoder() }
