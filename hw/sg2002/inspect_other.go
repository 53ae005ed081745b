//go:build !linux || !cgo

package sg2002

import (
	"fmt"
)

// Inspect returns an error that wraps ErrNoBoard.
func Inspect(Config, func(string)) (Inspection, error) {
	return Inspection{}, fmt.Errorf("camera: this build is not for Linux with cgo: %w", ErrNoBoard)
}
