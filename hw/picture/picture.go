package picture

import (
	"errors"
	"fmt"
	"image"
	"image/color"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/lettering"
)

// The formats that New accepts, as in package frame.
const (
	RGB  = frame.RGB
	BGR  = frame.BGR
	RGBA = frame.RGBA
	Grey = frame.Grey
	NV21 = frame.NV21
)

// Colours, as in maix.image. Any color.Color may be used, including translucent ones.
var (
	White  = color.NRGBA{255, 255, 255, 255}
	Black  = color.NRGBA{0, 0, 0, 255}
	Red    = color.NRGBA{255, 0, 0, 255}
	Green  = color.NRGBA{0, 255, 0, 255}
	Blue   = color.NRGBA{0, 0, 255, 255}
	Yellow = color.NRGBA{255, 255, 0, 255}
	Orange = color.NRGBA{255, 165, 0, 255}
	Purple = color.NRGBA{128, 0, 128, 255}
	Gray   = color.NRGBA{128, 128, 128, 255}
)

// errNil is the error of a nil picture.
var errNil = errors.New("picture: the image is nil")

// errReleased is the error of a released picture.
var errReleased = errors.New("picture: the image was released")

// Image is a picture in ordinary or camera memory. It is not safe for concurrent use. It implements image.Image and draw.Image of the standard library.
//
// An Image of a camera frame owns that frame: Release returns it, and must be called, because a camera has few frames. For other
// images calling Release is optional: the garbage collector frees them.
type Image struct {
	f     *frame.Frame
	enc   frame.Encoder // the encoder that JPEG uses; nil: a software encoder
	drawn bool          // changed by the CPU since the last flush
	err   error

	pen     *lettering.Pen // of the last DrawText, and its size
	penSize int

	mask   *image.Alpha    // coverage, while something translucent is drawn on a picture with shared chroma
	masked image.Rectangle // what of mask is used
}

var _ image.RGBA64Image = (*Image)(nil)

// New makes a black picture of width x height pixels (1..frame.MaxDimension). For a size or format out of range it returns a picture
// of 0x0 that carries the error.
func New(width, height int, format frame.Format) *Image {
	f, err := frame.Alloc(format, width, height)
	if err != nil {
		return failed(fmt.Errorf("picture: new: %w", err))
	}
	p := &Image{f: f}
	switch format {
	case frame.RGBA:
		for i := 3; i < len(f.Planes[0]); i += 4 {
			f.Planes[0][i] = 255
		}
	case frame.YUYV:
		for i := 1; i < len(f.Planes[0]); i += 2 {
			f.Planes[0][i] = 128
		}
	default:
		for _, plane := range f.Planes[1:] {
			for i := range plane {
				plane[i] = 128
			}
		}
	}
	return p
}

// FromFrame makes a picture of a camera's frame and takes ownership of it. enc encodes such frames (by handle, if they have one) and remains the caller's; nil:
// a software encoder. The frame is mapped only when something is drawn on it or read from it.
func FromFrame(f *frame.Frame, enc frame.Encoder) *Image {
	if f == nil || f.Format.Planes() == 0 {
		return failed(errors.New("picture: from frame: no frame"))
	}
	if err := frame.CheckSize(f.Width, f.Height); err != nil {
		return failed(fmt.Errorf("picture: from frame: %w", err))
	}
	return &Image{f: f, enc: enc}
}

func failed(err error) *Image { return &Image{err: err} }

// Err returns the reason why this is not a picture, or nil.
func (p *Image) Err() error {
	if p == nil {
		return errNil
	}
	return p.err
}

// Width returns the picture's width in pixels; 0 if Err is set.
func (p *Image) Width() int {
	if p.f == nil {
		return 0
	}
	return p.f.Width
}

// Height returns the picture's height in pixels; 0 if Err is set.
func (p *Image) Height() int {
	if p.f == nil {
		return 0
	}
	return p.f.Height
}

// Format returns the layout of the pixels; frame.Unknown if Err is set.
func (p *Image) Format() frame.Format {
	if p.f == nil {
		return frame.Unknown
	}
	return p.f.Format
}

// Frame returns the pixels, mapped, or nil if Err is set. They remain the Image's and are valid until Release. Calling it counts as drawing.
func (p *Image) Frame() *frame.Frame {
	if !p.open() {
		return nil
	}
	p.drawn = true
	return p.f
}

// Release returns a camera's frame. The picture is empty afterwards, and Err says so. It may be called twice.
func (p *Image) Release() {
	if p.f != nil {
		p.f.Release()
		p.f = nil
		p.err = errReleased
	}
}

// open makes the pixels accessible.
func (p *Image) open() bool {
	if p.f == nil {
		return false
	}
	if p.f.Planes[0] != nil {
		return true
	}
	if err := p.f.Map(); err != nil {
		p.fail(fmt.Errorf("picture: %w", err))
		return false
	}
	if err := p.f.Check(); err != nil {
		p.fail(fmt.Errorf("picture: %w", err))
		return false
	}
	return true
}

func (p *Image) fail(err error) {
	p.f.Release()
	p.f, p.err = nil, err
}

// ColorModel is color.NRGBAModel.
func (p *Image) ColorModel() color.Model { return color.NRGBAModel }

// Bounds returns (0,0)-(Width,Height).
func (p *Image) Bounds() image.Rectangle { return image.Rect(0, 0, p.Width(), p.Height()) }

// At returns the pixel at x, y as a color.NRGBA; transparent black outside of the picture.
func (p *Image) At(x, y int) color.Color { return p.pixel(x, y) }

// RGBA64At is At for image/draw's fast path.
func (p *Image) RGBA64At(x, y int) color.RGBA64 {
	r, g, b, a := p.pixel(x, y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// Set sets the colour of the pixel at x, y; outside of the picture it does nothing. If colour is subsampled, the pixel's neighbours share it.
func (p *Image) Set(x, y int, c color.Color) {
	if !(image.Point{X: x, Y: y}).In(p.Bounds()) || !p.open() {
		return
	}
	p.drawn = true
	i := inkOf(c)
	p.replace(x, y, &i)
}

func (p *Image) pixel(x, y int) color.NRGBA {
	if !(image.Point{X: x, Y: y}).In(p.Bounds()) || !p.open() {
		return color.NRGBA{}
	}
	f := p.f
	row := f.Planes[0][y*f.Strides[0]:]
	switch f.Format {
	case frame.RGB:
		return color.NRGBA{row[3*x], row[3*x+1], row[3*x+2], 255}
	case frame.BGR:
		return color.NRGBA{row[3*x+2], row[3*x+1], row[3*x], 255}
	case frame.RGBA:
		return color.NRGBA{row[4*x], row[4*x+1], row[4*x+2], row[4*x+3]}
	case frame.Grey:
		return color.NRGBA{row[x], row[x], row[x], 255}
	}
	luma, cb, cr := p.ycc(x, y)
	r, g, b := color.YCbCrToRGB(*luma, *cb, *cr)
	return color.NRGBA{r, g, b, 255}
}

// ycc returns the positions of a pixel's samples in a YCbCr format.
func (p *Image) ycc(x, y int) (luma, cb, cr *byte) {
	f := p.f
	switch f.Format {
	case frame.YUYV:
		row := f.Planes[0][y*f.Strides[0]:]
		return &row[2*x], &row[x/2*4+1], &row[x/2*4+3]
	case frame.NV21, frame.NV12:
		pair := f.Planes[1][y/2*f.Strides[1]+x&^1:][:2]
		cb, cr = &pair[0], &pair[1]
		if f.Format == frame.NV21 {
			cb, cr = cr, cb
		}
	case frame.YUV422:
		cb, cr = &f.Planes[1][y*f.Strides[1]+x/2], &f.Planes[2][y*f.Strides[2]+x/2]
	default: // YUV420
		cb, cr = &f.Planes[1][y/2*f.Strides[1]+x/2], &f.Planes[2][y/2*f.Strides[2]+x/2]
	}
	return &f.Planes[0][y*f.Strides[0]+x], cb, cr
}
