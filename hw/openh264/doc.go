// Package openh264 encodes raw frames as H.264, and decodes H.264, by Cisco's OpenH264, which is opened at run time: a program that uses this package starts, and does
// everything else, where the library is not installed. Debian has it as libopenh264-7.
//
// The stream is what low delay needs: constrained baseline profile, no reordering, one slice for each picture, so that a picture's unit is complete when
// Encode returns. Colour is full range BT.601, as everywhere in this module, and the parameter sets say so.
package openh264

import (
	"errors"

	"github.com/maixstream/maixstream/hw/frame"
)

// Library is the file that is opened. The number is that of the binary interface: the library's structures differ in others.
const Library = "libopenh264.so.7"

// ErrMissing says that the library cannot be opened; it wraps frame.ErrUnsupported.
var ErrMissing error = missingError{}

type missingError struct{}

func (missingError) Error() string {
	return "H.264 needs " + Library + ", which cannot be opened here: apt install libopenh264-7"
}

func (missingError) Unwrap() error { return frame.ErrUnsupported }

// The sizes that OpenH264 takes: its level 5.2 has 36,864 macroblocks of 16x16 pixels.
const (
	MinSide   = 16
	MaxPixels = 36864 * 256
)

var errClosed = errors.New("openh264: encode: the encoder is closed")
