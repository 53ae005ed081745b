//go:build linux && cgo

package sg2002

/*
#include "camera.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// ReadJPEG implements frame.JPEGSource. dst may be any memory; it is written only during the call.
func (c *Camera) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	defer func() { c.left = time.Now() }()
	begin := time.Now()
	if len(dst) > 0 && c.config.Path == "bound" && !c.left.IsZero() && begin.Sub(c.left) > staleAfter {
		// The encoder is fed by the hardware, and keeps its oldest pictures while nothing reads them.
		for err := error(nil); err == nil || errors.Is(err, frame.ErrTooLarge); {
			err = c.read(C.CAMERA_JPEG, dst, p, 0)
		}
		// One more may have been in the encoder, and another in front of it.
		for range 2 {
			if err := c.readUntil(ctx, C.CAMERA_JPEG, dst, p); err != nil || begin.Sub(p.Captured) < staleAfter {
				return err
			}
		}
	}
	return c.readUntil(ctx, C.CAMERA_JPEG, dst, p)
}

// staleAfter is how long a reader may stay away before the pictures waiting for it count as stale.
const staleAfter = 250 * time.Millisecond

// Still takes one picture at the full size of the sensor's mode, beside the stream and whatever the stream's size: StillSize pixels, without overlay,
// at the stream's quality. If the Camera was opened without Config.Still, the error wraps frame.ErrUnsupported. dst is as for ReadJPEG;
// frame.MaxJPEGSize bytes always suffice. It may be called while another goroutine reads; the stream loses a frame or two.
func (c *Camera) Still(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	if !c.config.Still {
		return fmt.Errorf("camera: still picture: %w: the camera was opened without it", frame.ErrUnsupported)
	}
	return c.readUntil(ctx, C.CAMERA_STILL, dst, p)
}

// StillSize returns the size of Still's pictures, in pixels. It changes with the sensor's mode.
func (c *Camera) StillSize() frame.Size { return *c.full.Load() }

// readUntil reads a picture, waiting in slices so that it notices ctx and Close, and lets other operations run in between.
func (c *Camera) readUntil(ctx context.Context, op C.enum_camera_op, dst []byte, p *frame.Picture) error {
	if len(dst) == 0 {
		return fmt.Errorf("camera: %w", frame.ErrTooLarge)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.read(op, dst, p, readSlice)
		if err != errEmpty { //nolint:errorlint // our own, never wrapped
			return err
		}
	}
}

// read waits at most wait for a picture and returns errEmpty if there was none.
func (c *Camera) read(op C.enum_camera_op, dst []byte, p *frame.Picture, wait time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() {
		return fmt.Errorf("camera: closed: %w", frame.ErrGone)
	}
	if err := c.text.refresh(c); err != nil {
		c.log.Debug("camera: overlay", zap.Error(err))
	}
	c.c.wait_ms = C.int32_t(wait.Milliseconds())
	begin := time.Now()
	code := c.performInto(op, dst, nil, nil)
	if code == C.CAMERA_OK {
		size := frame.Size{Width: c.config.Width, Height: c.config.Height}
		if op == C.CAMERA_STILL {
			size = c.StillSize()
		} else {
			c.number++
		}
		c.waited = 0
		if !c.streams {
			c.firstPicture()
		}
		*p = frame.Picture{
			Size: int(c.c.size), Width: size.Width, Height: size.Height, Quality: int(c.c.config.quality),
			Captured: captured(uint64(c.c.pts)), Sequence: c.number,
		}
		return nil
	}
	return c.missed(c.result(code), time.Since(begin))
}

// missed turns errEmpty into an error once reads have waited in vain for so long that the sensor counts as lost. Only time spent waiting counts, so a
// program that comes back after a minute gets the full time. mu is held.
func (c *Camera) missed(err error, waited time.Duration) error {
	if err != errEmpty { //nolint:errorlint // our own, never wrapped
		return err
	}
	c.waited += waited
	allowed := silence
	if fps := c.c.config.out_fps; fps > 0 {
		allowed += 2 * time.Second / time.Duration(fps)
	}
	if c.waited > allowed {
		return fmt.Errorf("camera: no frame for %.1f s; is sensor %s unplugged? %w", c.waited.Seconds(), c.sensor.name, frame.ErrGone)
	}
	return err
}
