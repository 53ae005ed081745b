package y4m

import (
	"io"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/fullrange"
)

// read fills f's planes from the stream.
func (d *decoder) read(f *frame.Frame) error {
	h := d.header
	if err := d.readPlane(f.Planes[0], f.Strides[0], h.width, h.height, fullrange.OnlyLuma); err != nil {
		return err
	}
	width, height := h.plane()
	for i := 1; i < h.chroma.format().Planes(); i++ {
		outWidth, outHeight := f.Format.PlaneSize(i, f.Width, f.Height)
		var err error
		if outWidth == width && outHeight == height {
			err = d.readPlane(f.Planes[i], f.Strides[i], width, height, fullrange.OnlyChroma)
		} else {
			err = d.readScaled(f.Planes[i], f.Strides[i], outWidth, outHeight)
		}
		if err != nil {
			return err
		}
	}
	if h.chroma.alpha {
		_, err := d.r.Discard(h.width * h.height)
		return err
	}
	return nil
}

func (d *decoder) readPlane(plane []byte, stride, width, height int, kind fullrange.Kind) error {
	for y := range height {
		row := plane[y*stride:][:width]
		if _, err := io.ReadFull(d.r, row); err != nil {
			return err
		}
		if !d.header.full {
			fullrange.Row(row, kind)
		}
	}
	return nil
}

// readScaled converts a chroma plane of 4:4:4 or 4:1:1 to 4:2:0: the mean of the samples covered.
func (d *decoder) readScaled(plane []byte, stride, outWidth, outHeight int) error {
	width, height := d.header.plane()
	for y := range outHeight {
		n := min(2, height-2*y) // rows in the file
		for i := range n {
			if err := d.readPlane(d.rows[i*width:], width, width, 1, fullrange.OnlyChroma); err != nil {
				return err
			}
		}
		upper, lower := d.rows[:width], d.rows[(n-1)*width:][:width]
		row := plane[y*stride:][:outWidth]
		for x := range row {
			left, right := x/2, x/2 // 4:1:1: one sample for two
			if d.header.chroma.across == 1 {
				left, right = 2*x, min(2*x+1, width-1)
			}
			row[x] = byte((int(upper[left]) + int(upper[right]) + int(lower[left]) + int(lower[right]) + 2) / 4)
		}
	}
	return nil
}
