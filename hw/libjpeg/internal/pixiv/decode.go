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

// one admits a single call into go-libjpeg at a time (its issue 58).
var one sync.Mutex

// Options say how a JPEG is decoded.
type Options struct {
	// RGB requests packed R, G, B for colour pictures, three bytes per pixel, instead of the JPEG's planes.
	RGB bool
	// Least requests scaling down, to an eighth at most, as long as the picture stays at least this large; the zero Point does not scale.
	Least image.Point
}

// Decode decodes a JPEG to an *image.Gray, a *rgb.Image, or, unless RGB is requested, an *image.YCbCr if the sampling is 4:4:4, 4:4:0, 4:2:2 or 4:2:0.
// For CMYK the error wraps frame.ErrUnsupported, for broken data frame.ErrBadPicture. jpg is not retained.
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

// planes lists the samplings for which go-libjpeg returns planes.
var planes = [256]bool{0x11: true, 0x12: true, 0x21: true, 0x22: true}
