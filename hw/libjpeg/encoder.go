//go:build cgo

package libjpeg

// #include "encode.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/maixstream/maixstream/hw/frame"
)

// Package frame's format constants are passed to C as they are: these lines do not compile if the two lists differ.
const (
	_ = uint(C.MX_YUV420-int(frame.YUV420)) + uint(int(frame.YUV420)-C.MX_YUV420)
	_ = uint(C.MX_RGBA-int(frame.RGBA)) + uint(int(frame.RGBA)-C.MX_RGBA)
)

// Encoder is a frame.Encoder that uses libjpeg-turbo. Until Close it holds a compressor and 24 rows of the picture's width in C memory.
type Encoder struct {
	c *C.mx_encoder
}

var _ frame.Encoder = (*Encoder)(nil)

// NewEncoder makes an Encoder. It fails only if memory is exhausted.
func NewEncoder() (*Encoder, error) {
	c := C.mx_encoder_new()
	if c == nil {
		return nil, errors.New("libjpeg: make an encoder: out of memory")
	}
	return &Encoder{c}, nil
}

// Name returns "libjpeg-turbo".
func (e *Encoder) Name() string { return "libjpeg-turbo" }

// Encode writes f to dst as a JPEG; see frame.Encoder. f may have any raw format; an unmapped frame is mapped first. The
// frame's padding is neither read nor written.
func (e *Encoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	if e.c == nil {
		return 0, errors.New("libjpeg: encode: the encoder is closed")
	}
	if err := check(f, quality); err != nil {
		return 0, err
	}
	n := C.mx_encode(e.c, C.int(f.Format), C.int(f.Width), C.int(f.Height), C.int(quality),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[0])), C.int(f.Strides[0]),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[1])), C.int(f.Strides[1]),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[2])), C.int(f.Strides[2]),
		(*C.uint8_t)(unsafe.SliceData(dst)), C.size_t(len(dst)))
	if n < 0 {
		return 0, e.failure(int(n), len(dst), f, quality)
	}
	return int(n), nil
}

func (e *Encoder) failure(code, size int, f *frame.Frame, quality int) error {
	switch code {
	case C.MX_TOO_LARGE:
		return fmt.Errorf("libjpeg: encode %s %dx%d, quality %d, into %d bytes: %w", f.Format, f.Width, f.Height, quality, size, frame.ErrTooLarge)
	case C.MX_NO_MEMORY:
		return fmt.Errorf("libjpeg: encode %s %dx%d: out of memory", f.Format, f.Width, f.Height)
	}
	return fmt.Errorf("libjpeg: encode %s %dx%d: %s", f.Format, f.Width, f.Height, C.GoString(C.mx_encoder_message(e.c)))
}

// Close frees the compressor. It may be called twice.
func (e *Encoder) Close() error {
	C.mx_encoder_free(e.c)
	e.c = nil
	return nil
}
