//go:build !(linux && cgo)

package openh264

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Available returns an error that wraps frame.ErrUnsupported: this build cannot open the library.
func Available() error {
	return fmt.Errorf("openh264: %w: this program was built without cgo, or not for Linux", frame.ErrUnsupported)
}

// Encoder cannot be created in this build.
type Encoder struct{}

var _ frame.VideoEncoder = (*Encoder)(nil)

// NewEncoder returns Available's error.
func NewEncoder(frame.VideoConfig) (*Encoder, error) { return nil, Available() }

// Name returns "OpenH264".
func (e *Encoder) Name() string { return "OpenH264" }

// Configure fails.
func (e *Encoder) Configure(frame.VideoConfig) error { return errClosed }

// Encode fails.
func (e *Encoder) Encode(*frame.Frame, bool, *frame.AccessUnit) error { return errClosed }

// Close does nothing.
func (e *Encoder) Close() error { return nil }

// Decoder cannot be created in this build.
type Decoder struct{}

var _ frame.VideoDecoder = (*Decoder)(nil)

// NewDecoder returns Available's error.
func NewDecoder() (*Decoder, error) { return nil, Available() }

// Name returns "OpenH264".
func (d *Decoder) Name() string { return "OpenH264" }

// Decode fails.
func (d *Decoder) Decode(*frame.AccessUnit, *frame.Frame) (bool, error) { return false, errClosed }

// Close does nothing.
func (d *Decoder) Close() error { return nil }
