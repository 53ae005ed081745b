//go:build !linux

package v4l2

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Open needs Linux.
func Open(device string, c Config) (frame.Source, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("v4l2: %w", err)
	}
	return nil, fmt.Errorf("v4l2: %s: %w: webcams can be read on Linux only", device, frame.ErrUnsupported)
}

// OpenControls needs Linux.
func OpenControls(device string) (c frame.Controller, close func() error, err error) {
	return nil, nil, fmt.Errorf("v4l2: %s: %w: webcams can be read on Linux only", device, frame.ErrUnsupported)
}
