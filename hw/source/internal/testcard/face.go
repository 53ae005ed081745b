package testcard

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/maixstream/maixstream/hw/frame"
)

// face is a monospaced font rendered once, white on black: writing copies rows of luma.
type face struct {
	width, height int // of one letter's cell, in pixels
	glyphs        [128][]byte
}

const letters = "0123456789:.#x+-eadfmpsz "

func newFace(em float64) (*face, error) {
	parsed, err := opentype.Parse(gomonobold.TTF)
	if err != nil {
		return nil, fmt.Errorf("font Go Mono Bold: %w", err)
	}
	drawn, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: em, DPI: 72})
	if err != nil {
		return nil, fmt.Errorf("font Go Mono Bold, %g pixels: %w", em, err)
	}
	defer drawn.Close()
	metrics := drawn.Metrics()
	advance, _ := drawn.GlyphAdvance('0')
	f := &face{width: int(math.Floor(float64(advance) / 64)), height: (metrics.Ascent + metrics.Descent).Ceil()}
	for _, letter := range letters {
		cell := image.NewGray(image.Rect(0, 0, f.width, f.height))
		draw.Draw(cell, cell.Rect, image.NewUniform(color.Black), image.Point{}, draw.Src)
		(&font.Drawer{Dst: cell, Src: image.White, Face: drawn, Dot: fixed.Point26_6{Y: metrics.Ascent}}).DrawString(string(letter))
		f.glyphs[letter] = cell.Pix
	}
	return f, nil
}

// write writes text into f's luma with its upper left corner at x, y, as many whole letters as fit before right.
func (f *face) write(to *frame.Frame, x, y int, text []byte, right int) {
	for _, letter := range text {
		glyph := f.glyphs[letter&127]
		if x+f.width > right {
			return
		}
		for row := range min(f.height, to.Height-y) {
			if glyph != nil {
				copy(to.Planes[0][(y+row)*to.Strides[0]+x:], glyph[row*f.width:(row+1)*f.width])
			}
		}
		x += f.width
	}
}
