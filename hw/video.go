package hw

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/openh264"
)

// errBoardVideo: on a MaixCAM the camera delivers H.264 from the chip's encoder, and the processor is too slow for a software one.
var errBoardVideo = fmt.Errorf("hw: software H.264 on a MaixCAM: %w", frame.ErrUnsupported)

// NewVideoEncoder makes a software H.264 encoder. The error wraps openh264.ErrMissing, and so frame.ErrUnsupported, where its library is not installed. On a MaixCAM it
// wraps frame.ErrUnsupported.
func NewVideoEncoder(c frame.VideoConfig) (frame.VideoEncoder, error) {
	if onBoard() {
		return nil, errBoardVideo
	}
	e, err := openh264.NewEncoder(c)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// NewVideoDecoder makes a software H.264 decoder. If its library is not installed, the error wraps openh264.ErrMissing, and so frame.ErrUnsupported.
func NewVideoDecoder() (frame.VideoDecoder, error) {
	d, err := openh264.NewDecoder()
	if err != nil {
		return nil, err
	}
	return d, nil
}

// DecodeJPEG decodes a JPEG of up to 8192x8192 pixels to a raw frame in garbage-collected memory.
func DecodeJPEG(jpeg []byte) (*frame.Frame, error) {
	f, err := libjpeg.DecodeFrame(jpeg, libjpeg.Limits{})
	if err != nil {
		return nil, fmt.Errorf("hw: %w", err)
	}
	return f, nil
}
