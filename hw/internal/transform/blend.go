package transform

import (
	"image"

	"github.com/maixstream/maixstream/hw/frame"
)

// The box behind the text keeps 3/8 of the picture's brightness: dark enough for white letters on snow, but not opaque.
const keep = 96 // of 256

// toward darkens v around zero (black, or chroma's 128) and blends white over it by coverage a.
func toward(v, zero, white, a int) uint8 {
	v = zero + (v-zero)*keep/256
	return uint8(v + (white-v)*a/255)
}

// blend darkens box, whose corners are even or at the frame's edge, and blends white over it by mask, which covers box.
func blend(f *frame.Frame, box image.Rectangle, mask *image.Alpha) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		cover := mask.Pix[mask.PixOffset(box.Min.X, y):][:box.Dx()]
		row := f.Planes[0][y*f.Strides[0]:]
		switch f.Format {
		case frame.RGB, frame.BGR:
			packed(row[3*box.Min.X:], cover, 3)
		case frame.RGBA:
			packed(row[4*box.Min.X:], cover, 4)
		case frame.YUYV:
			row = row[2*box.Min.X:]
			for i, a := range cover {
				row[2*i] = toward(int(row[2*i]), 0, 255, int(a))
			}
			for i := 0; i < len(cover); i += 2 {
				a := int(max(cover[i], cover[min(i+1, len(cover)-1)]))
				row[2*i+1], row[2*i+3] = toward(int(row[2*i+1]), 128, 128, a), toward(int(row[2*i+3]), 128, 128, a)
			}
		default:
			packed(row[box.Min.X:], cover, 1)
		}
	}
	switch f.Format {
	case frame.YUV420, frame.NV12, frame.NV21, frame.YUV422:
		chroma(f, box, mask)
	}
}

// packed blends pixels of size bytes; the fourth, alpha, is unchanged.
func packed(row, cover []byte, size int) {
	channels := min(size, 3)
	for i, a := range cover {
		p := row[size*i:][:channels]
		for c := range p {
			p[c] = toward(int(p[c]), 0, 255, int(a))
		}
	}
}

// chroma reduces the colour of the box and removes that of the letters.
func chroma(f *frame.Frame, box image.Rectangle, mask *image.Alpha) {
	step := 2 // rows of luma per row of chroma
	if f.Format == frame.YUV422 {
		step = 1
	}
	for y := box.Min.Y; y < box.Max.Y; y += step { // box.Min.Y is even
		for x := box.Min.X; x < box.Max.X; x += 2 {
			a := 0
			for dy := range step {
				for dx := range 2 {
					if p := (image.Point{X: x + dx, Y: y + dy}); p.In(box) {
						a = max(a, int(mask.Pix[mask.PixOffset(p.X, p.Y)]))
					}
				}
			}
			if f.Format.Planes() == 2 {
				pair := f.Planes[1][y/2*f.Strides[1]+x:][:2]
				pair[0], pair[1] = toward(int(pair[0]), 128, 128, a), toward(int(pair[1]), 128, 128, a)
				continue
			}
			for i := 1; i < 3; i++ {
				s := &f.Planes[i][y/step*f.Strides[i]+x/2]
				*s = toward(int(*s), 128, 128, a)
			}
		}
	}
}
