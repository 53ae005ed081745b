//go:build cgo

package pixiv

import (
	"bytes"
	"fmt"
	"image"
	"sync"

	golibjpeg "github.com/pixiv/go-libjpeg/jpeg"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// one lets a single call into go-libjpeg at a time (its issue 58).
var one sync.Mutex

// Options say how a JPEG is decoded.
type Options struct {
	// RGB wants packed R, G, B of colour pictures, three bytes a pixel, in place of the planes that the JPEG has.
	RGB bool
	// Least scales down, to an eighth at most, as far as the picture stays at least this large; the zero Point does not scale.
	Least image.Point
}

// Decode decodes a JPEG to an *image.Gray, a *rgb.Image, or, where RGB is not wanted and the sampling is 4:4:4, 4:4:0, 4:2:2 or 4:2:0, an *image.YCbCr.
// CMYK gives frame.ErrUnsupported, wrapped; broken data gives frame.ErrBadPicture, wrapped. It keeps nothing of jpg.
func Decode(jpg []byte, o Options) (image.Image, error) {
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return nil, fmt.Errorf("pixiv: decode: %w", err)
	}
	if info.Components == 4 {
		return nil, fmt.Errorf("pixiv: decode: CMYK: %w", frame.ErrUnsupported)
	}
	in := bytes.NewReader(jpegcheck.Completed(jpg, &info))
	options := golibjpeg.DecoderOptions{DCTMethod: golibjpeg.DCTISlow, ScaleTarget: image.Rectangle{Max: o.Least}}
	one.Lock()
	defer one.Unlock()
	var img image.Image
	if info.Components == 3 && (o.RGB || !planes[info.Subsampling]) {
		img, err = golibjpeg.DecodeIntoRGB(in, &options)
	} else {
		img, err = golibjpeg.Decode(in, &options)
	}
	if err != nil {
		return nil, fmt.Errorf("pixiv: decode %dx%d: %w: %w", info.Width, info.Height, err, frame.ErrBadPicture)
	}
	return img, nil
}

// planes are the samplings of which go-libjpeg gives the planes.
var planes = [256]bool{0x11: true, 0x12: true, 0x21: true, 0x22: true}
