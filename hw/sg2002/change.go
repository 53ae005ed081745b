//go:build linux && cgo

package sg2002

/*
#include "camera.h"
*/
import "C"

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// change runs f with exclusive access to the camera; it fails once the camera is closing.
func (c *Camera) change(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() {
		return fmt.Errorf("camera: closed: %w", frame.ErrGone)
	}
	return f()
}

// SetQuality implements frame.QualitySetter; it takes effect with the next frame.
func (c *Camera) SetQuality(quality int) (used int, err error) {
	if err := frame.CheckQuality(quality); err != nil {
		return 0, fmt.Errorf("camera: %w", err)
	}
	used = realQuality(quality)
	return used, c.change(func() error {
		before := c.c.config.quality
		c.c.config.quality = C.uint32_t(used)
		if err := c.run(C.CAMERA_QUALITY, changeTimeout); err != nil {
			c.c.config.quality = before
			return fmt.Errorf("camera: quality %d: %w", used, err)
		}
		c.config.Quality = used
		return nil
	})
}

// SetMode implements frame.ModeSetter. If the sensor has to run faster, or another of its modes suits the rate better, everything is brought down
// and up again, which takes about as long as Open; for a lower rate in the same mode VPSS drops frames. used is the sensor's rate if that is lower than fps.
// If the driver lacks the mode, the error wraps frame.ErrUnsupported and the camera stays as it was.
func (c *Camera) SetMode(width, height int, fps float64) (used float64, err error) {
	if !(fps > 0) {
		return 0, fmt.Errorf("camera: %v frames per second: must be more than 0", fps)
	}
	err = c.change(func() error {
		if best := c.sensor.choices(width, height, fps)[0]; c.mpi.lacking[sensorMode{c.sensor, best.mode}] {
			return fmt.Errorf("camera: %v: %w: the sensor's driver lacks this mode", best, frame.ErrUnsupported)
		}
		now, to := c.mode, c.choices(width, height, fps)[0]
		used = min(fps, to.fastest)
		if to.mode == now.mode && to.fps <= now.fps {
			c.config.FPS = fps
			return nil
		}
		if c.c.frame.stVFrame.u64PhyAddr[0] != 0 {
			return fmt.Errorf("camera: %v: %w", to, errFrameInUse)
		}
		before := c.config.FPS
		c.config.FPS = fps
		err := c.restart(to)
		if err == nil || hardware.hung.Load() {
			return err
		}
		if c.unfit(to, err) {
			err = fmt.Errorf("%w: %w", frame.ErrUnsupported, err)
		}
		c.config.FPS = before
		if again := c.restart(now); again != nil {
			return fmt.Errorf("camera: %v: %w; going back failed: %w", to, err, again)
		}
		return fmt.Errorf("camera: %v: %w", to, err)
	})
	return used, err
}

// restart brings everything down and up again.
func (c *Camera) restart(to setting) error {
	c.endUnits()
	if err := c.run(C.CAMERA_DOWN, downTimeout); err != nil {
		return err
	}
	if err := c.start(to); err != nil {
		return err
	}
	return c.text.show(c)
}

// SetFPS implements frame.RateSetter. VPSS drops the frames; the sensor keeps its mode, so that the rate can rise again within a frame time.
func (c *Camera) SetFPS(fps float64) error {
	if !(fps > 0) {
		return fmt.Errorf("camera: %v frames per second: must be more than 0", fps)
	}
	return c.change(func() error {
		rate := c.wantedRate(fps)
		before := c.c.config.out_fps
		if rate == before {
			return nil
		}
		c.c.config.out_fps = rate
		if err := c.run(C.CAMERA_VPSS, changeTimeout); err != nil {
			c.c.config.out_fps = before
			return fmt.Errorf("camera: %v frames per second: %w", fps, err)
		}
		return nil
	})
}

// SetOrientation implements frame.Orienter.
func (c *Camera) SetOrientation(mirror, flip bool) error {
	return c.change(func() error {
		oldMirror, oldFlip := c.config.Mirror, c.config.Flip
		c.config.Mirror, c.config.Flip = mirror, flip
		c.orient()
		if err := c.run(C.CAMERA_VPSS, changeTimeout); err != nil {
			c.config.Mirror, c.config.Flip = oldMirror, oldFlip
			c.orient()
			return fmt.Errorf("camera: mirror %v, flip %v: %w", mirror, flip, err)
		}
		return c.text.show(c)
	})
}

// Resize implements frame.Resizer. Only the scaler's channel, its pool and the encoder are recreated; the sensor keeps running. A frame of Raw must
// be released first.
func (c *Camera) Resize(width, height int) error {
	if err := checkSize(width, height); err != nil {
		return err
	}
	return c.change(func() error {
		if c.c.frame.stVFrame.u64PhyAddr[0] != 0 { // its memory would be freed while a program may be reading it
			return fmt.Errorf("camera: size %dx%d: %w", width, height, errFrameInUse)
		}
		oldWidth, oldHeight := c.config.Width, c.config.Height
		c.endUnits()
		unfit := c.videoRefits(width, height)
		c.c.config.video = C.bool(c.video.on && unfit == nil)
		c.setSize(width, height)
		if err := c.run(C.CAMERA_OUTPUT, changeTimeout); err != nil {
			c.c.config.video = C.bool(c.video.on)
			c.setSize(oldWidth, oldHeight)
			if hardware.hung.Load() {
				return err
			}
			if again := c.run(C.CAMERA_OUTPUT, changeTimeout); again != nil {
				return fmt.Errorf("camera: size %dx%d: %w; going back failed: %w", width, height, err, again)
			}
			return fmt.Errorf("camera: size %dx%d: %w", width, height, err)
		}
		if unfit != nil {
			c.refuseVideo(unfit)
		}
		return c.text.show(c)
	})
}

func (c *Camera) setSize(width, height int) {
	c.config.Width, c.config.Height = width, height
	c.c.config.out_width, c.c.config.out_height = C.uint32_t(width), C.uint32_t(height)
	c.c.config.stream_buffer = C.uint32_t(streamBuffer(width, height))
	c.updateInfo()
}
