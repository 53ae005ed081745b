package testcard

import (
	"image"
	"image/color"
	"math"
	"strconv"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// sweepTime is how long the sweep takes from the left edge to the right.
const sweepTime = 2 * time.Second

// card is the test card of one size: a background, drawn once, and the positions of the rest.
type card struct {
	width, height int
	background    *frame.Frame
	number        grid
	sweepWidth    int
	big, small    *face // nil: the frame is too small for text
	box           image.Rectangle
	size          string
}

// bars are the colours of the classic card, by decreasing luma.
var bars = [...]color.RGBA{
	{255, 255, 255, 255},
	{255, 255, 0, 255},
	{0, 255, 255, 255},
	{0, 255, 0, 255},
	{255, 0, 255, 255},
	{255, 0, 0, 255},
	{0, 0, 255, 255},
	{0, 0, 0, 255},
}

func newCard(width, height int) (*card, error) {
	background, err := frame.Alloc(frame.YUV420, width, height)
	if err != nil {
		return nil, err
	}
	c := &card{
		width: width, height: height, background: background, number: gridOf(width, height),
		sweepWidth: max(1, width/160), size: strconv.Itoa(width) + "x" + strconv.Itoa(height),
	}
	c.drawBackground()
	return c, c.placeText()
}

// drawBackground draws bars, below them a ramp from black to white, and grey chroma under the number.
func (c *card) drawBackground() {
	f := c.background
	rampTop := (c.number.top - c.number.top/8) &^ 1
	for plane := range 3 {
		stride := f.Strides[plane]
		scale := 1
		if plane > 0 {
			scale = 2
		}
		bar, ramp := make([]byte, stride), make([]byte, stride)
		for x := range stride {
			at := min(x*scale, c.width-1)
			rgb := bars[at*len(bars)/c.width]
			y, cb, cr := color.RGBToYCbCr(rgb.R, rgb.G, rgb.B)
			bar[x] = [3]byte{y, cb, cr}[plane]
			ramp[x] = 128
			if plane == 0 {
				ramp[x] = byte(at * 255 / max(1, c.width-1))
			}
		}
		rows := len(f.Planes[plane]) / stride
		for y := range rows {
			row := f.Planes[plane][y*stride:]
			if y*scale < rampTop {
				copy(row, bar)
			} else {
				copy(row, ramp)
			}
		}
	}
}

// placeText chooses the largest font that fits, and draws the black box for the text.
func (c *card) placeText() error {
	const clockChars, fontAspect = 12, 0.6 // Go Mono's letters are 0.6 em wide
	em := min(float64(c.width)*0.8/clockChars/fontAspect, float64(c.number.top)*0.25)
	if em < 8 {
		return nil
	}
	var err error
	if c.big, err = newFace(em); err != nil {
		return err
	}
	if c.small, err = newFace(max(6, em/2)); err != nil {
		return err
	}
	margin := c.big.width / 3
	w, h := clockChars*c.big.width+2*margin, c.big.height+2*c.small.height+margin
	x, y := (c.width-w)/2&^1, (c.number.top-h)/3&^1
	c.box = image.Rect(x, y, (x+w+1)&^1, (y+h+1)&^1).Intersect(image.Rect(0, 0, c.width, c.height))
	for plane := range 3 {
		r, v := c.box, byte(0)
		if plane > 0 {
			r, v = image.Rect(r.Min.X/2, r.Min.Y/2, r.Max.X/2, r.Max.Y/2), 128
		}
		for y := r.Min.Y; y < r.Max.Y; y++ {
			row := c.background.Planes[plane][y*c.background.Strides[plane]:]
			fill(row[r.Min.X:r.Max.X], v)
		}
	}
	c.box = c.box.Inset(margin / 2)
	return nil
}

// draw draws the card for f.Captured and f.Sequence into f, a frame of the card's size.
func (c *card) draw(f *frame.Frame, fps float64) {
	for i := range 3 {
		copy(f.Planes[i], c.background.Planes[i])
	}
	c.drawSweep(f)
	c.number.drawNumber(f, uint32(f.Sequence))
	if c.big == nil {
		return
	}
	var text [64]byte
	x, y := c.box.Min.X, c.box.Min.Y
	c.big.write(f, x, y, f.Captured.AppendFormat(text[:0], "15:04:05.000"), c.box.Max.X)
	y += c.big.height
	line := append(text[:0], '#')
	c.small.write(f, x, y, strconv.AppendUint(line, f.Sequence, 10), c.box.Max.X)
	y += c.small.height
	line = append(append(text[:0], c.size...), ' ')
	if math.IsInf(fps, 1) {
		line = append(line, "max"...)
	} else {
		line = strconv.AppendFloat(line, fps, 'g', 4, 64)
	}
	c.small.write(f, x, y, append(line, " fps"...), c.box.Max.X)
}

// drawSweep draws a vertical white line between black ones at a position given by the time; a broken line shows a torn frame.
func (c *card) drawSweep(f *frame.Frame) {
	phase := time.Duration(f.Captured.UnixNano()) % sweepTime
	x := int(int64(c.width) * int64(phase) / int64(sweepTime))
	w := c.sweepWidth
	left, right := max(0, x-w), min(c.width, x+2*w)
	black := c.drawColumns(f, 0, left, right, 0)
	if black {
		c.drawColumns(f, 0, x, min(c.width, x+w), 255)
	}
	for plane := 1; plane < 3; plane++ {
		c.drawColumns(f, plane, left/2, (right+1)/2, 128)
	}
}

func (c *card) drawColumns(f *frame.Frame, plane, left, right int, v byte) bool {
	rows := c.number.top
	if plane > 0 {
		rows = (rows + 1) / 2
	}
	for y := range rows {
		fill(f.Planes[plane][y*f.Strides[plane]:][left:right], v)
	}
	return left < right
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}
