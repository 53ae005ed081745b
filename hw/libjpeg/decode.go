package libjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/jpegcheck"
)

// Limits bound what a JPEG from outside may cost to decode. They are checked before a pixel is decoded.
type Limits struct {
	MaxPixels int // width x height; 0: 64 million
	MaxBytes  int // of the JPEG; 0: 64 MiB
}

const (
	defaultMaxPixels = 64_000_000
	defaultMaxBytes  = 64 << 20
)

// Check reports a JPEG that is broken (the error wraps frame.ErrBadPicture) or beyond the limits (frame.ErrTooLarge).
func (l Limits) Check(jpg []byte) (jpegcheck.Info, error) {
	maxBytes, maxPixels := l.MaxBytes, l.MaxPixels
	if maxBytes == 0 {
		maxBytes = defaultMaxBytes
	}
	if maxPixels == 0 {
		maxPixels = defaultMaxPixels
	}
	if len(jpg) > maxBytes {
		return jpegcheck.Info{}, fmt.Errorf("jpeg: %d bytes, more than %d: %w", len(jpg), maxBytes, frame.ErrTooLarge)
	}
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return jpegcheck.Info{}, err
	}
	if info.Width*info.Height > maxPixels {
		return jpegcheck.Info{}, fmt.Errorf("jpeg: %dx%d pixels, more than %d: %w", info.Width, info.Height, maxPixels, frame.ErrTooLarge)
	}
	return info, nil
}

// Decode decodes a whole JPEG within limits to an image of the standard library's kinds. What go-libjpeg does not do (CMYK, odd sampling factors), and
// everything in a build without cgo, is decoded by image/jpeg. Errors wrap frame.ErrBadPicture, frame.ErrTooLarge or frame.ErrUnsupported. It
// keeps nothing of jpg.
func Decode(jpg []byte, limits Limits) (image.Image, error) {
	info, err := limits.Check(jpg)
	if err != nil {
		return nil, fmt.Errorf("libjpeg: decode: %w", err)
	}
	jpg = jpg[:info.Size]
	img, err := decode(jpg)
	if errors.Is(err, frame.ErrUnsupported) {
		if img, err = jpeg.Decode(bytes.NewReader(jpg)); err != nil {
			return nil, fmt.Errorf("libjpeg: decode %dx%d: %w: %w", info.Width, info.Height, err, kindOf(err))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("libjpeg: decode: %w", err)
	}
	if img.Bounds().Dx() != info.Width || img.Bounds().Dy() != info.Height {
		return nil, fmt.Errorf("libjpeg: decode: the decoder says %v, the header %dx%d: %w", img.Bounds(), info.Width, info.Height, frame.ErrBadPicture)
	}
	return img, nil
}

func kindOf(err error) error {
	var unsupported jpeg.UnsupportedError
	if errors.As(err, &unsupported) {
		return frame.ErrUnsupported
	}
	return frame.ErrBadPicture
}

// DecodeFrame decodes a whole JPEG within limits to a YUV420 frame, whatever its sampling. The frame's memory is the garbage collector's.
func DecodeFrame(jpg []byte, limits Limits) (*frame.Frame, error) {
	img, err := Decode(jpg, limits)
	if err != nil {
		return nil, err
	}
	return FrameOf(img)
}
