//go:build !linux || !cgo

package sg2002

import (
	"fmt"
)

// LastCrash returns none.
func LastCrash() Crash { return Crash{} }

// Inspect returns an error that wraps ErrNoBoard.
func Inspect(Config, func(string)) (Inspection, error) {
	return Inspection{}, fmt.Errorf("camera: this build is not for Linux with cgo: %w", ErrNoBoard)
}
