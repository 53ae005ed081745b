//go:build !linux

package v4l2

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Open fails: it needs Linux.
func Open(device string, c Config) (frame.Source, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("v4l2: %w", err)
	}
	return nil, fmt.Errorf("v4l2: %s: %w: webcams are supported on Linux only", device, frame.ErrUnsupported)
}

// OpenControls fails: it needs Linux.
func OpenControls(device string) (c frame.Controller, close func() error, err error) {
	return nil, nil, fmt.Errorf("v4l2: %s: %w: webcams are supported on Linux only", device, frame.ErrUnsupported)
}
