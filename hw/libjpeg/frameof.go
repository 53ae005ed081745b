package libjpeg

import (
	"errors"
	"fmt"
	"image"
	"image/color"

	"github.com/maixstream/maixstream/hw/frame"
)

// FrameOf makes a YUV420 frame from an image. The planes of a 4:2:0 *image.YCbCr and the luma of any other are shared with it; the
// rest is converted, chroma averaged over 2x2 pixels, transparency laid over white. For images out of range the error wraps frame.ErrSize.
func FrameOf(img image.Image) (*frame.Frame, error) {
	if img == nil {
		return nil, errors.New("libjpeg: no picture (nil)")
	}
	b := img.Bounds()
	if err := frame.CheckSize(b.Dx(), b.Dy()); err != nil {
		return nil, fmt.Errorf("libjpeg: make a frame: %w", err)
	}
	switch img := img.(type) {
	case *image.YCbCr:
		if b.Min == (image.Point{}) {
			return ofYCbCr(img), nil
		}
	case *image.Gray:
		return ofGray(img), nil
	}
	return ofAny(img), nil
}

func ofYCbCr(img *image.YCbCr) *frame.Frame {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	f := &frame.Frame{Format: frame.YUV420, Width: w, Height: h}
	f.Planes[0], f.Strides[0] = img.Y, img.YStride
	if img.SubsampleRatio == image.YCbCrSubsampleRatio420 {
		f.Planes[1], f.Planes[2], f.Strides[1], f.Strides[2] = img.Cb, img.Cr, img.CStride, img.CStride
		return f
	}
	chroma(f)
	for y := range (h + 1) / 2 {
		for x := range (w + 1) / 2 {
			x0, y0, x1, y1 := 2*x, 2*y, min(2*x+1, w-1), min(2*y+1, h-1)
			a, b, c, d := img.COffset(x0, y0), img.COffset(x1, y0), img.COffset(x0, y1), img.COffset(x1, y1)
			f.Planes[1][y*f.Strides[1]+x] = mean(img.Cb[a], img.Cb[b], img.Cb[c], img.Cb[d])
			f.Planes[2][y*f.Strides[2]+x] = mean(img.Cr[a], img.Cr[b], img.Cr[c], img.Cr[d])
		}
	}
	return f
}

func mean(a, b, c, d uint8) uint8 { return uint8((int(a) + int(b) + int(c) + int(d) + 2) / 4) }

// chroma gives f its own chroma planes.
func chroma(f *frame.Frame) {
	rowBytes, rows := f.Format.PlaneSize(1, f.Width, f.Height)
	for i := 1; i < 3; i++ {
		f.Planes[i], f.Strides[i] = make([]byte, rowBytes*rows), rowBytes
	}
}

func ofGray(img *image.Gray) *frame.Frame {
	f := &frame.Frame{Format: frame.YUV420, Width: img.Rect.Dx(), Height: img.Rect.Dy()}
	f.Planes[0], f.Strides[0] = img.Pix, img.Stride
	chroma(f)
	for _, p := range f.Planes[1:] {
		for i := range p {
			p[i] = 128
		}
	}
	return f
}

func ofAny(img image.Image) *frame.Frame {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	f := &frame.Frame{Format: frame.YUV420, Width: w, Height: h}
	f.Planes[0], f.Strides[0] = make([]byte, w*h), w
	chroma(f)
	at := func(x, y int) (uint8, uint8, uint8) {
		r, g, b, a := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
		white := 0xffff - a // transparency is laid over white
		return color.RGBToYCbCr(uint8((r+white)>>8), uint8((g+white)>>8), uint8((b+white)>>8))
	}
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			var cb, cr [4]uint8
			for i := range 4 {
				px, py := min(x+i%2, w-1), min(y+i/2, h-1)
				f.Planes[0][py*w+px], cb[i], cr[i] = at(px, py)
			}
			f.Planes[1][y/2*f.Strides[1]+x/2] = mean(cb[0], cb[1], cb[2], cb[3])
			f.Planes[2][y/2*f.Strides[2]+x/2] = mean(cr[0], cr[1], cr[2], cr[3])
		}
	}
	return f
}
