//go:build linux && cgo

package openh264

// #include <stdlib.h>
// #include "encode.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/maixstream/maixstream/hw/frame"
)

// Package frame's formats are passed to C unchanged: this does not compile if the two lists differ.
const (
	_ = uint(C.MX_H264_YUV420-int(frame.YUV420)) + uint(int(frame.YUV420)-C.MX_H264_YUV420)
	_ = uint(C.MX_H264_RGBA-int(frame.RGBA)) + uint(int(frame.RGBA)-C.MX_H264_RGBA)
)

// opened opens the library once; its error wraps ErrMissing.
var opened = sync.OnceValue(func() error { return open(Library) })

func open(file string) error {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	var text [512]C.char
	if C.mx_h264_open(name, &text[0], C.size_t(len(text))) != 0 {
		return fmt.Errorf("openh264: %w (%s)", ErrMissing, C.GoString(&text[0]))
	}
	return nil
}

// Available opens the library, and returns an error that wraps ErrMissing if that fails.
func Available() error { return opened() }

// Encoder is a frame.VideoEncoder that uses OpenH264. Its memory, some ten times that of a frame, is owned by C until Close.
type Encoder struct {
	config  frame.VideoConfig
	c       *C.mx_h264 // nil before the first frame
	of      C.struct_mx_h264_config
	unit    C.struct_mx_h264_unit
	detail  C.int // the library's return code
	nals    [C.MX_H264_NALS][]byte
	closed  bool
	changed bool // config has not been passed to c yet
}

var _ frame.VideoEncoder = (*Encoder)(nil)

// NewEncoder returns an Encoder. The error wraps ErrMissing if the library is not installed. Of c, Bitrate and FPS must be positive and GOP not negative.
func NewEncoder(c frame.VideoConfig) (*Encoder, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	e := &Encoder{}
	if err := e.Configure(c); err != nil {
		return nil, err
	}
	return e, nil
}

// Name returns "OpenH264".
func (e *Encoder) Name() string { return "OpenH264" }

// Configure changes the stream's parameters, from the next frame on; see frame.VideoEncoder.
func (e *Encoder) Configure(c frame.VideoConfig) error {
	if c.Bitrate <= 0 || !(c.FPS > 0) || c.GOP < 0 {
		return fmt.Errorf("openh264: configure: %d bit/s, %v fps, a key frame every %v: must be positive", c.Bitrate, c.FPS, c.GOP)
	}
	e.changed = e.changed || c != e.config
	e.config = c
	return nil
}

// translate converts a configuration for the library, which accepts 1 to 60 fps, keeping the bits per frame.
func translate(c frame.VideoConfig, width, height int) C.struct_mx_h264_config {
	fps := min(max(c.FPS, 1), 60)
	bitrate := min(max(float64(c.Bitrate)*fps/c.FPS, 1000), 1e9)
	gop := min(max(c.GOP.Seconds()*c.FPS+0.5, 1), 1e6)
	return C.struct_mx_h264_config{width: C.int(width), height: C.int(height), bitrate: C.int(bitrate), fps: C.float(fps), gop: C.int(gop)}
}

// Encode encodes f, of any raw format, into u; see frame.VideoEncoder. The last column or row of an odd size is dropped: 4:2:0 needs even sizes. Errors
// wrap frame.ErrSize for a size that no level of H.264 supports.
func (e *Encoder) Encode(f *frame.Frame, key bool, u *frame.AccessUnit) error {
	if e.closed {
		return errClosed
	}
	if err := f.Map(); err != nil {
		return fmt.Errorf("openh264: encode: %w", err)
	}
	if err := f.Check(); err != nil {
		return fmt.Errorf("openh264: encode: %w", err)
	}
	width, height := f.Width&^1, f.Height&^1
	if err := e.prepare(width, height); err != nil {
		return fmt.Errorf("openh264: encode %dx%d: %w", f.Width, f.Height, err)
	}
	forced := C.int(0)
	if key {
		forced = 1
	}
	code := C.mx_h264_encode(e.c, C.int(f.Format),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[0])), C.int(f.Strides[0]),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[1])), C.int(f.Strides[1]),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[2])), C.int(f.Strides[2]),
		C.longlong(f.Captured.UnixMilli()), forced, &e.unit, &e.detail)
	if code != 0 {
		return fmt.Errorf("openh264: encode %s %dx%d: %w", f.Format, f.Width, f.Height, failure(code, e.detail))
	}
	u.Key, u.Captured, u.Sequence = e.unit.key != 0, f.Captured, f.Sequence
	u.NALs = e.nals[:e.unit.count]
	for i := range u.NALs {
		u.NALs[i] = unsafe.Slice((*byte)(e.unit.nal[i]), int(e.unit.length[i]))
	}
	return nil
}

// prepare creates the library's encoder for a size, or reconfigures the existing one.
func (e *Encoder) prepare(width, height int) error {
	if e.c != nil && int(e.of.width) == width && int(e.of.height) == height && !e.changed {
		return nil
	}
	if width < MinSide || height < MinSide || width*height > MaxPixels {
		return fmt.Errorf("%w: from %dx%d to %d pixels", frame.ErrSize, MinSide, MinSide, MaxPixels)
	}
	wanted := translate(e.config, width, height)
	if e.c != nil && e.of.width == wanted.width && e.of.height == wanted.height {
		if code := C.mx_h264_configure(e.c, &wanted, &e.detail); code != 0 {
			return failure(code, e.detail)
		}
	} else {
		e.free()
		if code := C.mx_h264_new(&wanted, &e.c, &e.detail); code != 0 {
			return failure(code, e.detail)
		}
	}
	e.of, e.changed = wanted, false
	return nil
}

func failure(code, detail C.int) error {
	switch code {
	case C.MX_H264_NO_MEMORY:
		return fmt.Errorf("out of memory (%d)", detail)
	case C.MX_H264_REFUSED:
		return fmt.Errorf("the library rejected the parameters (%d)", detail)
	case C.MX_H264_TOO_MANY:
		return fmt.Errorf("more than %d NAL units", C.MX_H264_NALS)
	}
	return fmt.Errorf("the library failed (%d)", detail)
}

func (e *Encoder) free() {
	C.mx_h264_free(e.c)
	e.c = nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() error {
	e.closed = true
	e.free()
	return nil
}
