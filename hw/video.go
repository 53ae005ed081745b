package hw

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/openh264"
)

// NewVideoEncoder makes a software H.264 encoder. The error wraps openh264.ErrMissing, and so frame.ErrUnsupported, where its library is not installed.
func NewVideoEncoder(c frame.VideoConfig) (frame.VideoEncoder, error) {
	e, err := openh264.NewEncoder(c)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// DecodeJPEG makes a raw frame of a JPEG of up to 8192x8192 pixels. Its memory is the garbage collector's.
func DecodeJPEG(jpeg []byte) (*frame.Frame, error) {
	f, err := libjpeg.DecodeFrame(jpeg, libjpeg.Limits{})
	if err != nil {
		return nil, fmt.Errorf("hw: %w", err)
	}
	return f, nil
}
