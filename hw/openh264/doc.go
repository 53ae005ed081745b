// Package openh264 encodes raw frames as H.264, and decodes H.264, with Cisco's OpenH264, which it opens at run time: programs that use this package start and
// run without the library. Debian packages it as libopenh264-7.
//
// The stream is suited to low delay: constrained baseline profile, no reordering, one slice per picture, so that a picture's unit is complete when
// Encode returns. Colour is full-range BT.601, as everywhere in this module, and is signalled in the parameter sets.
package openh264

import (
	"errors"

	"github.com/maixstream/maixstream/hw/frame"
)

// Library is the library's file name. The number is the ABI version: the library's structures differ in others.
const Library = "libopenh264.so.7"

// ErrMissing means that the library cannot be opened; it wraps frame.ErrUnsupported.
var ErrMissing error = missingError{}

type missingError struct{}

func (missingError) Error() string {
	return "H.264 needs " + Library + ", which cannot be opened here: apt install libopenh264-7"
}

func (missingError) Unwrap() error { return frame.ErrUnsupported }

// Limits of OpenH264: its level 5.2 has 36,864 macroblocks of 16x16 pixels.
const (
	MinSide   = 16
	MaxPixels = 36864 * 256
)

var errClosed = errors.New("openh264: encode: the encoder is closed")
