package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// Limits bound what a picture from outside may cost to decode, PNG or JPEG; zero fields mean 64 million pixels and 64 MiB.
type Limits = libjpeg.Limits

// Decode decodes a JPEG or PNG within limits: grey ones to Grey, PNGs with transparency to RGBA, all others to RGB. A JPEG is turned upright as its Exif
// orientation says. Errors wrap frame.ErrBadPicture, frame.ErrTooLarge or frame.ErrUnsupported. It keeps nothing of data. At its peak it takes 3 bytes
// a pixel for a JPEG (9 more for a progressive one, twice as many if it must be turned), 4 for a PNG with 8 bits a sample.
func Decode(data []byte, limits Limits) (*Image, error) {
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		img, err := decodePNG(data, limits)
		if err != nil {
			return nil, fmt.Errorf("picture: %w", err)
		}
		return adopt(img)
	}
	img, err := libjpeg.DecodeRGB(data, limits)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	p, err := adopt(img)
	if err != nil {
		return nil, err
	}
	return p.Upright(libjpeg.Orientation(data)), nil
}

// Upright turns a picture whose camera was held as Exif's orientation says (1 to 8); one that is upright is returned itself.
func (p *Image) Upright(orientation int) *Image {
	switch orientation {
	case 2:
		return p.Orient(true, false, 0)
	case 3:
		return p.Orient(false, false, 180)
	case 4:
		return p.Orient(false, true, 0)
	case 5:
		return p.Orient(true, false, 270)
	case 6:
		return p.Orient(false, false, 90)
	case 7:
		return p.Orient(true, false, 90)
	case 8:
		return p.Orient(false, false, 270)
	}
	return p
}

// adopt makes a picture of an image that nobody else uses, in its memory where the layouts allow.
func adopt(img image.Image) (*Image, error) {
	b := img.Bounds()
	f := &frame.Frame{Width: b.Dx(), Height: b.Dy()}
	var stride int
	switch img := img.(type) {
	case *image.Gray:
		f.Format, f.Planes[0], stride = frame.Grey, img.Pix, img.Stride
	case *image.NRGBA:
		f.Format, f.Planes[0], stride = frame.RGBA, img.Pix, img.Stride
		if img.Opaque() {
			f.Format, stride = frame.RGB, squeeze(img.Pix, img.Stride, f.Width, f.Height)
		}
	case *image.RGBA:
		if !img.Opaque() { // its colours are premultiplied
			return FromImage(img)
		}
		f.Format, f.Planes[0], stride = frame.RGB, img.Pix, squeeze(img.Pix, img.Stride, f.Width, f.Height)
	default:
		pix, rowBytes, ok := packedRGB(img)
		if !ok {
			return FromImage(img)
		}
		f.Format, f.Planes[0], stride = frame.RGB, pix, rowBytes
	}
	f.Strides[0] = stride
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return &Image{f: f}, nil
}

// squeeze makes three bytes of each pixel's four, in place, and returns the new stride.
func squeeze(pix []byte, stride, width, height int) int {
	to := 0
	for y := range height {
		row := pix[y*stride:][: 4*width : 4*width]
		for x := 0; x < len(row); x += 4 {
			pix[to], pix[to+1], pix[to+2] = row[x], row[x+1], row[x+2]
			to += 3
		}
	}
	return 3 * width
}

// FromImage makes a picture of a standard library's image, in memory of its own: Grey of grey ones, RGBA where it has transparency, RGB of all others.
func FromImage(img image.Image) (*Image, error) {
	if img == nil {
		return nil, fmt.Errorf("picture: %w: there is none (nil)", frame.ErrBadPicture)
	}
	format := frame.RGB
	switch img.(type) {
	case *image.Gray, *image.Gray16:
		format = frame.Grey
	default:
		if o, ok := img.(interface{ Opaque() bool }); ok && !o.Opaque() {
			format = frame.RGBA
		}
	}
	p := New(img.Bounds().Dx(), img.Bounds().Dy(), format)
	if p.err != nil {
		return nil, p.err
	}
	p.take(img)
	return p, nil
}

func decodePNG(data []byte, limits Limits) (image.Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode PNG: %w: %w", err, frame.ErrBadPicture)
	}
	if err := limits.CheckSize(len(data), c.Width, c.Height); err != nil {
		return nil, fmt.Errorf("decode PNG: %w", err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode PNG %dx%d: %w: %w", c.Width, c.Height, err, frame.ErrBadPicture)
	}
	return img, nil
}

// Open reads and decodes a JPEG or PNG file within limits, as Decode does.
func Open(path string, limits Limits) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	defer f.Close()
	most := int64(limits.Bytes())
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("picture: read %s: %w", path, err)
	}
	img, err := Decode(data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}
