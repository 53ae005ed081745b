//go:build linux && cgo

package sg2002

/*
#include "camera.h"

static uint8_t *plane(const struct camera *c, int i)
{
	uint8_t *base = c->mapped;
	return base ? base + (c->frame.stVFrame.u64PhyAddr[i] - c->frame.stVFrame.u64PhyAddr[0]) : NULL;
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/maixstream/maixstream/hw/frame"
)

// Raw delivers raw frames of the camera, for programs that draw on pictures or analyse them. It is a frame.RawSource whose frames have a handle,
// and planes only once mapped. Only one frame may be out at a time. Closing a Raw does nothing; closing the camera invalidates the frame that
// is out, and its planes.
type Raw struct{ camera *Camera }

// Raw returns a source of the camera's raw frames. It works only with Path "frame".
func (c *Camera) Raw() *Raw { return &Raw{c} }

var (
	_ frame.RawSource = (*Raw)(nil)
	_ frame.Mapper    = (*Raw)(nil)
)

// Info implements frame.Source.
func (r *Raw) Info() frame.Info { return r.camera.Info() }

// Close implements frame.Source.
func (r *Raw) Close() error { return nil }

var errFrameInUse = errors.New("a raw frame is still in use; release it first")

// ReadFrame implements frame.RawSource. The frame is NV21. A sensor that is silent for 3 s counts as lost; the error then wraps frame.ErrGone.
func (r *Raw) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("read: no context, or no frame to fill")
	}
	c := r.camera
	if c.config.Path == "bound" {
		return fmt.Errorf("camera: raw frames with path bound: %w: the hardware passes them straight to the encoder", frame.ErrUnsupported)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.change(func() error {
			if c.c.frame.stVFrame.u64PhyAddr[0] != 0 {
				return fmt.Errorf("camera: read frame: %w", errFrameInUse)
			}
			c.c.wait_ms = C.int32_t(readSlice.Milliseconds())
			begin := time.Now()
			if err := c.run(C.CAMERA_RAW, pictureTimeout); err != nil {
				return c.missed(err, time.Since(begin))
			}
			c.waited = 0
			c.number++
			if !c.streams {
				c.firstPicture()
			}
			v := &c.c.frame.stVFrame
			*f = frame.Frame{
				Format: frame.NV21, Width: int(v.u32Width), Height: int(v.u32Height),
				Strides: [3]int{int(v.u32Stride[0]), int(v.u32Stride[1])}, Captured: captured(uint64(v.u64PTS)), Sequence: c.number,
				Owner: r, Handle: uintptr(v.u64PhyAddr[0]),
			}
			return nil
		})
		if err != errEmpty { //nolint:errorlint // our own, never wrapped
			return err
		}
	}
}

// ReleaseFrame implements frame.Owner.
func (r *Raw) ReleaseFrame(f *frame.Frame) {
	_ = r.camera.change(func() error {
		if uintptr(r.camera.c.frame.stVFrame.u64PhyAddr[0]) != f.Handle {
			return nil
		}
		return r.camera.run(C.CAMERA_RAW_RELEASE, changeTimeout)
	})
}

// MapFrame implements frame.Mapper.
func (r *Raw) MapFrame(f *frame.Frame) error {
	c := r.camera
	return c.change(func() error {
		if f.Handle == 0 || uintptr(c.c.frame.stVFrame.u64PhyAddr[0]) != f.Handle {
			return errors.New("camera: map: the frame was released")
		}
		if err := c.run(C.CAMERA_RAW_MAP, changeTimeout); err != nil {
			return fmt.Errorf("camera: map: %w", err)
		}
		for i := range frame.NV21.Planes() {
			f.Planes[i] = unsafe.Slice((*byte)(unsafe.Pointer(C.plane(c.c, C.int(i)))), int(c.c.frame.stVFrame.u32Length[i]))
		}
		return nil
	})
}

// FlushFrame implements frame.Mapper.
func (r *Raw) FlushFrame(*frame.Frame) error {
	return r.camera.change(func() error { return r.camera.run(C.CAMERA_RAW_FLUSH, changeTimeout) })
}

// Encoder returns the hardware encoder: for the camera's own raw frames, by handle, and for NV21 and RGB pictures of the camera's size made by
// a program. It is valid for as long as the camera.
func (c *Camera) Encoder() frame.Encoder { return &encoder{camera: c} }

type encoder struct{ camera *Camera }

// Name implements frame.Encoder.
func (e *encoder) Name() string { return "hardware (VENC)" }

// Close implements frame.Encoder.
func (e *encoder) Close() error { return nil }

// Encode implements frame.Encoder. For unsupported formats and sizes the error wraps frame.ErrUnsupported. The quality also applies to
// the camera's next pictures.
func (e *encoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	c := e.camera
	if c.config.Path == "bound" {
		return 0, fmt.Errorf("camera: encode with path bound: %w: the encoder is reserved for the stream", frame.ErrUnsupported)
	}
	if len(dst) == 0 {
		return 0, fmt.Errorf("camera: encode: %w", frame.ErrTooLarge)
	}
	if err := frame.CheckQuality(quality); err != nil {
		return 0, fmt.Errorf("camera: encode: %w", err)
	}
	if used := realQuality(quality); used != c.quality() {
		if _, err := c.SetQuality(used); err != nil {
			return 0, err
		}
	}
	if r, ok := f.Owner.(*Raw); ok && r.camera == c {
		return e.encode(dst, C.CAMERA_ENCODE_RAW, f.Handle, nil)
	}
	if f.Format != frame.NV21 && f.Format != frame.RGB {
		return 0, fmt.Errorf("camera: encode a %s picture: %w: only NV21 and RGB", f.Format, frame.ErrUnsupported)
	}
	if err := f.Map(); err != nil {
		return 0, err
	}
	if err := f.Check(); err != nil {
		return 0, fmt.Errorf("camera: encode: %w", err)
	}
	if info := c.Info(); f.Width != info.Width || f.Height != info.Height {
		return 0, fmt.Errorf("camera: encode %dx%d: %w: the encoder is set to %dx%d", f.Width, f.Height, frame.ErrUnsupported, info.Width, info.Height)
	}
	return e.encode(dst, C.CAMERA_ENCODE_PICTURE, 0, f)
}

func (c *Camera) quality() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return realQuality(c.config.Quality) // not the C side's, which Close frees
}

// encode encodes a frame of the camera by its handle, or a program's picture.
func (e *encoder) encode(dst []byte, op C.enum_camera_op, handle uintptr, picture *frame.Frame) (size int, err error) {
	c := e.camera
	for { // a recreated encoder accepts the picture at the second attempt
		err = c.change(func() error {
			var first, second []byte
			if picture != nil {
				first = picture.Planes[0]
				if c.c.rgb = C.bool(picture.Format == frame.RGB); !c.c.rgb {
					second = picture.Planes[1]
				}
				c.c.strides[0], c.c.strides[1] = C.uint32_t(picture.Strides[0]), C.uint32_t(picture.Strides[1])
				c.c.picture_width, c.c.picture_height = C.uint32_t(picture.Width), C.uint32_t(picture.Height)
			} else if uintptr(c.c.frame.stVFrame.u64PhyAddr[0]) != handle || handle == 0 {
				return errors.New("camera: encode: the frame was released")
			}
			code := c.performInto(op, dst, first, second)
			size = int(c.c.size)
			return c.result(code)
		})
		if err == nil {
			return size, nil
		}
		if err != errEmpty { //nolint:errorlint // our own, never wrapped
			return 0, err
		}
	}
}
