//go:build !cgo

// Package baseline needs cgo: without it there is no libjpeg-turbo to call.
package baseline

import (
	"fmt"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// Encode returns frame.ErrUnsupported, wrapped.
func Encode(*frame.Frame, int, int) (int, time.Duration, error) {
	return 0, 0, fmt.Errorf("libjpeg: built without cgo: %w", frame.ErrUnsupported)
}
