package testcard

import (
	"image"

	"github.com/maixstream/maixstream/hw/frame"
)

// The number's code: 44 black or white cells along the frame's lower edge, read left to right and top to bottom: two sync pairs (white,
// black), 32 bits of number, 8 bits of CRC, each most significant bit first. Narrow frames have the cells in two or four rows.
const cells = 4 + 32 + 8

// grid is the layout of the cells in a frame.
type grid struct {
	cols, rows         int
	top, width, height int // of the strip; height 0: the frame is too small for a number
}

func gridOf(width, height int) grid {
	rows := 1
	for rows < 4 && width*rows < 6*cells {
		rows *= 2
	}
	cols := cells / rows
	cell := max(height/24, min(4, height/(4*rows)))
	if width/cols < 2 || cell < 2 {
		return grid{top: height}
	}
	return grid{cols: cols, rows: rows, top: height - rows*cell, width: width, height: rows * cell}
}

// cell returns the i-th cell's rectangle.
func (g grid) cell(i int) image.Rectangle {
	x, y, h := i%g.cols, i/g.cols, g.height/g.rows
	return image.Rect(x*g.width/g.cols, g.top+y*h, (x+1)*g.width/g.cols, g.top+(y+1)*h)
}

// code returns the cells, the first in bit 43; 1 is white.
func code(number uint32) uint64 {
	return 0b1010<<40 | uint64(number)<<8 | uint64(crc8(number))
}

// crc8 is CRC-8 (polynomial x^8+x^2+x+1) of the four bytes, with initial value 0xff so that 0 does not have the code 0.
func crc8(number uint32) uint8 {
	crc := uint8(0xff)
	for shift := 24; shift >= 0; shift -= 8 {
		crc ^= uint8(number >> shift)
		for range 8 {
			carry := crc&0x80 != 0
			crc <<= 1
			if carry {
				crc ^= 0x07
			}
		}
	}
	return crc
}

// drawNumber writes the cells into a YUV420 frame's luma; the background's chroma is grey there.
func (g grid) drawNumber(f *frame.Frame, number uint32) {
	if g.height == 0 {
		return
	}
	bits, stride, luma := code(number), f.Strides[0], f.Planes[0]
	rowHeight := g.height / g.rows
	for row := range g.rows {
		first := g.cell(row * g.cols)
		line := luma[first.Min.Y*stride:][:g.width]
		for i := row * g.cols; i < (row+1)*g.cols; i++ {
			r, v := g.cell(i), byte(0)
			if bits>>(cells-1-i)&1 != 0 {
				v = 255
			}
			fill(line[r.Min.X:r.Max.X], v)
		}
		for y := 1; y < rowHeight; y++ {
			copy(luma[(first.Min.Y+y)*stride:], line)
		}
	}
}

// ReadNumber reads the frame number from a picture of the test card, also after JPEG compression (quality 10 and up). It returns false if
// there is none: another picture, one that is too small (narrower than 22 pixels), or one that was cropped or rotated. A picture
// that was scaled can be read if its aspect ratio and size class are kept.
func ReadNumber(img image.Image) (uint32, bool) {
	bounds := img.Bounds()
	g := gridOf(bounds.Dx(), bounds.Dy())
	if g.height == 0 {
		return 0, false
	}
	var bits uint64
	for i := range cells {
		v := meanLuma(img, inner(g.cell(i)).Add(bounds.Min))
		if v > 80 && v < 176 {
			return 0, false
		}
		bits <<= 1
		if v >= 128 {
			bits |= 1
		}
	}
	number := uint32(bits >> 8)
	return number, bits == code(number)
}

// inner returns the middle half of a cell, unaffected by ringing from its neighbours.
func inner(r image.Rectangle) image.Rectangle {
	return image.Rect(r.Min.X+r.Dx()/4, r.Min.Y+r.Dy()/4, r.Max.X-r.Dx()/4, r.Max.Y-r.Dy()/4)
}

func meanLuma(img image.Image, r image.Rectangle) int {
	sum, n := 0, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			red, green, blue, _ := img.At(x, y).RGBA()
			sum += int(19595*red+38470*green+7471*blue) >> 24
			n++
		}
	}
	return sum / max(n, 1)
}
