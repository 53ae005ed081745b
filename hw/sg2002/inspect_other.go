//go:build !linux || !cgo

package sg2002

import (
	"fmt"
)

// LastCrash returns a zero Crash.
func LastCrash() Crash { return Crash{} }

// Inspect returns an error that wraps ErrNoBoard.
func Inspect(Config, func(string)) (Inspection, error) {
	return Inspection{}, fmt.Errorf("camera: built without cgo or not for Linux: %w", ErrNoBoard)
}
