package libjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// Limits bound what decoding a JPEG from outside may cost. They are checked before any pixel is decoded. A pixel costs up to 3 bytes, or
// 9 while a progressive JPEG is decoded: lower MaxPixels on a small board.
type Limits struct {
	MaxPixels int // width x height; 0: 64 million
	MaxBytes  int // of the JPEG; 0: 64 MiB
}

const (
	defaultMaxPixels = 64_000_000
	defaultMaxBytes  = 64 << 20
)

// Bytes returns the largest accepted size of a JPEG in bytes.
func (l Limits) Bytes() int {
	if l.MaxBytes == 0 {
		return defaultMaxBytes
	}
	return l.MaxBytes
}

// Pixels returns the largest accepted number of pixels.
func (l Limits) Pixels() int {
	if l.MaxPixels == 0 {
		return defaultMaxPixels
	}
	return l.MaxPixels
}

// CheckSize returns an error that wraps frame.ErrTooLarge or frame.ErrSize for a picture beyond the limits.
func (l Limits) CheckSize(bytes, width, height int) error {
	if bytes > l.Bytes() {
		return fmt.Errorf("%d bytes, more than %d: %w", bytes, l.Bytes(), frame.ErrTooLarge)
	}
	if err := frame.CheckSize(width, height); err != nil {
		return fmt.Errorf("%w: %w", frame.ErrTooLarge, err)
	}
	if width*height > l.Pixels() {
		return fmt.Errorf("%dx%d pixels, more than %d: %w", width, height, l.Pixels(), frame.ErrTooLarge)
	}
	return nil
}

// Check returns an error for a broken JPEG (it wraps frame.ErrBadPicture) or one beyond the limits (frame.ErrTooLarge).
func (l Limits) Check(jpg []byte) (jpegcheck.Info, error) {
	if err := l.CheckSize(len(jpg), 1, 1); err != nil {
		return jpegcheck.Info{}, err
	}
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return jpegcheck.Info{}, err
	}
	return info, l.CheckSize(len(jpg), info.Width, info.Height)
}

// Decode decodes a complete JPEG within limits to one of the standard library's image types, keeping the JPEG's planes for common samplings. What go-libjpeg does
// not support (CMYK), and everything in a build without cgo, is decoded by image/jpeg. Errors wrap frame.ErrBadPicture, frame.ErrTooLarge or
// frame.ErrUnsupported. jpg is not retained. Exif's orientation is not applied: see Orientation.
func Decode(jpg []byte, limits Limits) (image.Image, error) {
	return decodeAs(jpg, limits, false, image.Point{})
}

// DecodeRGB is like Decode, but if libjpeg-turbo decodes, colour comes as packed R, G, B, 3 bytes per pixel (*rgb.Image of go-libjpeg), without other copies.
func DecodeRGB(jpg []byte, limits Limits) (image.Image, error) {
	return decodeAs(jpg, limits, true, image.Point{})
}

// DecodeScaled is like Decode, for a picture that is needed smaller: libjpeg-turbo decodes it at down to an eighth of its width and height, but at least width x
// height, and spends time and memory only on the result.
func DecodeScaled(jpg []byte, limits Limits, width, height int) (image.Image, error) {
	return decodeAs(jpg, limits, false, image.Point{X: width, Y: height})
}

// Orientation returns a JPEG's Exif orientation, 1 (upright) to 8.
func Orientation(jpg []byte) int {
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return 1
	}
	return info.Orientation
}

func decodeAs(jpg []byte, limits Limits, rgb bool, least image.Point) (image.Image, error) {
	info, err := limits.Check(jpg)
	if err != nil {
		return nil, fmt.Errorf("libjpeg: decode: %w", err)
	}
	img, err := decode(jpg[:info.Size], rgb, least)
	if errors.Is(err, frame.ErrUnsupported) {
		if img, err = jpeg.Decode(bytes.NewReader(jpegcheck.Completed(jpg, &info))); err != nil {
			return nil, fmt.Errorf("libjpeg: decode %dx%d: %w: %w", info.Width, info.Height, err, kindOf(err))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("libjpeg: decode: %w", err)
	}
	whole := image.Point{X: info.Width, Y: info.Height}
	if b := img.Bounds().Size(); b.X > whole.X || b.Y > whole.Y || b.X < min(whole.X, max(1, least.X)) || least == (image.Point{}) && b != whole {
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

// DecodeFrame decodes a complete JPEG within limits to a YUV420 frame, whatever its sampling. The frame's memory is garbage-collected.
func DecodeFrame(jpg []byte, limits Limits) (*frame.Frame, error) {
	img, err := Decode(jpg, limits)
	if err != nil {
		return nil, err
	}
	return FrameOf(img)
}
