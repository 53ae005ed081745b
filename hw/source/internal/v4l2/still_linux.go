package v4l2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
)

// stillBuffers is kept low: these buffers are large.
const stillBuffers = 2

// largestOf returns the size with the most pixels in all supported and wanted formats; zero if the driver lists none.
func largestOf(fd int, c *Config) (largest frame.Size) {
	offered := pixelFormats(fd)
	for _, name := range wanted(c) {
		if !slices.Contains(offered, name) {
			continue
		}
		for _, s := range sizesOf(fd, name) {
			size := frame.Size{Width: int(s.maxW), Height: int(s.maxH)}
			if frame.CheckSize(size.Width, size.Height) == nil && size.Width*size.Height > largest.Width*largest.Height {
				largest = size
			}
		}
	}
	return largest
}

// StillSize implements frame.StillOpener.
func (c *camera) StillSize() frame.Size {
	largest := c.chosen.largest
	if largest.Width*largest.Height < c.chosen.width*c.chosen.height {
		return frame.Size{Width: c.chosen.width, Height: c.chosen.height}
	}
	return largest
}

// OpenStill implements frame.StillOpener. It returns a frame.JPEGSource or frame.RawSource.
func (c *camera) OpenStill(ctx context.Context) (frame.Source, error) {
	if !c.config.Still {
		return nil, fmt.Errorf("v4l2: %s: still picture: %w: not enabled", c.device, frame.ErrUnsupported)
	}
	c.life.Lock()
	if c.fd < 0 || c.isDown() {
		c.life.Unlock()
		return nil, c.errClosed()
	}
	c.controls.hold()
	err := c.halt()
	c.fd = -1
	if err == nil {
		err = ctx.Err()
	}
	var source frame.Source
	if err == nil {
		size := c.StillSize()
		source, err = open(c.device, Config{Width: size.Width, Height: size.Height, FPS: c.config.FPS, Formats: c.config.Formats, Buffers: stillBuffers})
	}
	if err != nil {
		return nil, fmt.Errorf("v4l2: %s: still picture: %w", c.device, errors.Join(err, c.resume()))
	}
	once := sync.OnceValue(func() error { return errors.Join(source.Close(), c.resume()) })
	if raw, ok := source.(rawCamera); ok {
		return &rawStill{raw, once}, nil
	}
	return &jpegStill{source.(jpegCamera), once}, nil
}

type (
	rawStill struct {
		rawCamera
		end func() error
	}
	jpegStill struct {
		jpegCamera
		end func() error
	}
)

// Close resumes the device's stream.
func (s *rawStill) Close() error { return s.end() }

// Close resumes the device's stream.
func (s *jpegStill) Close() error { return s.end() }

func (c *camera) isDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

// resume turns the device on again as before, and unlocks life. If that fails, reads return the error.
func (c *camera) resume() error {
	defer c.life.Unlock()
	err := c.again()
	if err != nil {
		c.fd = -1
	}
	c.controls.release(c.fd)
	if err != nil {
		c.finish(err)
		return err
	}
	c.subscribe()
	return nil
}

func (c *camera) again() error {
	if c.isDown() {
		return frame.ErrEnd
	}
	config := c.config
	config.Width, config.Height, config.Formats = c.chosen.width, c.chosen.height, []string{c.chosen.format.code}
	now, err := choose(c.device, &config)
	if err != nil {
		return err
	}
	if now.width != c.chosen.width || now.height != c.chosen.height {
		return fmt.Errorf("%w: it no longer has %dx%d", frame.ErrGone, c.chosen.width, c.chosen.height)
	}
	return c.begin()
}

var (
	_ frame.StillOpener = rawCamera{}
	_ frame.StillOpener = jpegCamera{}
	_ frame.RawSource   = (*rawStill)(nil)
	_ frame.JPEGSource  = (*jpegStill)(nil)
)
