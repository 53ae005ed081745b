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

// Decode decodes a JPEG or PNG within limits: grey ones to Grey, PNGs with transparency to RGBA, all others to RGB. Errors wrap frame.ErrBadPicture, frame.ErrTooLarge or
// frame.ErrUnsupported. It keeps nothing of data.
func Decode(data []byte, limits Limits) (*Image, error) {
	var img image.Image
	var err error
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		img, err = decodePNG(data, limits)
	} else {
		img, err = libjpeg.Decode(data, limits)
	}
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return FromImage(img)
}

// FromImage makes a picture of a standard library's image, in memory of its own: Grey of grey ones, RGBA where it has transparency, RGB of all others.
func FromImage(img image.Image) (*Image, error) {
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

// Open reads and decodes a JPEG or PNG file within limits.
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
