//go:build linux && cgo

package sg2002

/*
#include <stdlib.h>
#include "camera.h"
*/
import "C"

import (
	"fmt"
	"image"
	"time"
	"unsafe"

	"github.com/ncruces/go-strftime"

	"github.com/maixstream/maixstream/hw/internal/lettering"
)

// overlayText is the overlay's format and the text now shown. Used with Camera.mu held.
type overlayText struct {
	format string
	shown  string
	second int64 // when the text was last formatted
	pen    *lettering.Pen
	line   int
}

// SetOverlay implements frame.Overlayer: white text on a dark box in the lower left corner, blended by the hardware.
func (c *Camera) SetOverlay(text string) error {
	return c.change(func() error {
		c.text.format = text
		return c.text.show(c)
	})
}

// refresh updates the text, once per second.
func (o *overlayText) refresh(c *Camera) error {
	if o.format == "" {
		return nil
	}
	now := time.Now()
	if now.Unix() == o.second {
		return nil
	}
	o.second = now.Unix()
	if text := strftime.Format(o.format, now); text != o.shown {
		return o.draw(c, text)
	}
	return nil
}

// show redraws the text after a change of text, size or orientation.
func (o *overlayText) show(c *Camera) error {
	if o.format == "" {
		if o.shown == "" {
			return nil
		}
		o.shown = ""
		c.c.bitmap = nil
		return c.run(C.CAMERA_OVERLAY, changeTimeout)
	}
	now := time.Now()
	o.second = now.Unix()
	return o.draw(c, strftime.Format(o.format, now))
}

// draw renders the region's bitmap, ARGB4444 little endian, and shows it.
func (o *overlayText) draw(c *Camera, text string) error {
	line := max(c.config.Height/20, 12)
	if o.pen == nil || o.line != line {
		pen, err := lettering.NewPen(line)
		if err != nil {
			return err
		}
		o.pen, o.line = pen, line
	}
	const margin = 4
	w, h := o.pen.Size(text)
	// Even positions and widths divisible by eight keep rows on whole words of the blender, whatever the canvas's alignment; and text of similar
	// width keeps its region.
	width := min((w+2*margin+31)&^31, c.config.Width&^7)
	height := min((h+2*margin+1)&^1, c.config.Height&^1)
	mask := image.NewAlpha(image.Rect(0, 0, width, height))
	o.pen.Draw(mask, margin, margin, text)

	size := C.size_t(width * height * 2)
	memory := C.malloc(size)
	if memory == nil {
		return fmt.Errorf("camera: overlay of %dx%d: out of memory", width, height)
	}
	pixels := unsafe.Slice((*uint16)(memory), width*height)
	x, y := 0, c.config.Height-height
	mirror, flip := bool(c.c.config.mirror), bool(c.c.config.flip)
	for row := range height {
		for col := range width {
			// The blender comes before mirror and flip, so the text is drawn reversed.
			fromX, fromY := col, row
			if mirror {
				fromX = width - 1 - col
			}
			if flip {
				fromY = height - 1 - row
			}
			cover := uint16(mask.Pix[fromY*mask.Stride+fromX] >> 4)
			const box = 7 // of 15: opacity of the dark box behind the letters
			pixels[row*width+col] = max(box, cover)<<12 | cover<<8 | cover<<4 | cover
		}
	}
	if mirror {
		x = c.config.Width - width
	}
	if flip {
		y = 0
	}
	c.c.bitmap = (*C.uint8_t)(memory)
	c.c.bitmap_width, c.c.bitmap_height = C.uint32_t(width), C.uint32_t(height)
	c.c.bitmap_x, c.c.bitmap_y = C.uint32_t(x), C.uint32_t(y)
	if err := c.run(C.CAMERA_OVERLAY, changeTimeout); err != nil {
		if !c.closing.Load() { // otherwise the hung thread may still read it
			C.free(memory)
		}
		return fmt.Errorf("camera: overlay: %w", err)
	}
	C.free(c.bitmap)
	c.bitmap = memory
	o.shown = text
	return nil
}
