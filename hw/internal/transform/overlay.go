package transform

import (
	"image"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/lettering"
)

// overlay draws white text on a darkened box in the lower left corner. Rendered text is reused until it changes.
type overlay struct {
	pen    *lettering.Pen
	format string // text's format,
	second int64  // and time
	text   string
	buf    []byte

	mask     *image.Alpha // coverage of the box; nil: nothing drawn yet
	box      image.Rectangle
	w, h     int
	drawn    string
	drawnSet bool
}

// draw draws format over f, which is mapped, with its % fields set from f.Captured, or from the current time if that is zero.
func (o *overlay) draw(f *frame.Frame, format string) error {
	at := f.Captured
	if at.IsZero() {
		at = time.Now()
	}
	o.fill(format, at)
	if err := o.render(f.Width, f.Height); err != nil {
		return err
	}
	if !o.box.Empty() {
		blend(f, o.box, o.mask)
	}
	return nil
}

// fill updates text: once per second, or for each frame if the format has fractions of a second.
func (o *overlay) fill(format string, at time.Time) {
	if format == o.format && at.Unix() == o.second && !strings.Contains(format, "%L") && !strings.Contains(format, "%f") && !strings.Contains(format, "%N") {
		return
	}
	o.format, o.second = format, at.Unix()
	o.buf = strftime.AppendFormat(o.buf[:0], format, at)
	if string(o.buf) != o.text {
		o.text = string(o.buf)
	}
}

// render draws text into mask unless it is there already. A line is a twentieth of the frame high, but at least 14 pixels; text too
// wide for the frame is made smaller, down to a readable size, and then clipped.
func (o *overlay) render(w, h int) error {
	if o.drawnSet && o.drawn == o.text && o.w == w && o.h == h {
		return nil
	}
	size := min(max(h/20, 14), lettering.MaxSize)
	if o.pen == nil || o.w != w || o.h != h {
		if err := o.newPen(size); err != nil {
			return err
		}
	}
	tw, th := o.pen.Size(o.text)
	if o.pen.Line() == size && tw+size > w && tw > 0 {
		if err := o.newPen(max(size*(w-size/2)/(tw+size), 10)); err != nil {
			return err
		}
		tw, th = o.pen.Size(o.text)
	}
	pad := o.pen.Line() / 4
	// Even corners, so that the box covers whole chroma samples.
	box := image.Rect(0, (h-th-2*pad)&^1, min(tw+2*pad+1, w)&^1, h).Intersect(image.Rect(0, 0, w, h))
	if o.mask == nil || o.mask.Rect != box {
		o.mask = image.NewAlpha(box)
	} else {
		clear(o.mask.Pix)
	}
	o.pen.Draw(o.mask, box.Min.X+pad, h-th-pad, o.text)
	o.box, o.w, o.h, o.drawn, o.drawnSet = box, w, h, o.text, true
	return nil
}

func (o *overlay) newPen(size int) error {
	pen, err := lettering.NewPen(size)
	if err != nil {
		return err
	}
	o.pen = pen
	return nil
}
