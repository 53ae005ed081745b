//go:build !linux || !cgo

package sg2002

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Inspect returns an error that wraps frame.ErrUnsupported.
func Inspect(Config, func(string)) (Inspection, error) {
	return Inspection{}, fmt.Errorf("camera: %w in this build (Linux with cgo only)", frame.ErrUnsupported)
}
