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

// Decode decodes a JPEG that is whole by jpegcheck.Parse to an *image.YCbCr (4:4:4, 4:4:0, 4:2:2 or 4:2:0), *image.Gray, or *rgb.Image. CMYK and odd
// samplings give frame.ErrUnsupported, wrapped; broken data gives frame.ErrBadPicture, wrapped. It keeps nothing of jpg.
func Decode(jpg []byte) (image.Image, error) {
	info, err := jpegcheck.Parse(jpg)
	if err != nil {
		return nil, fmt.Errorf("pixiv: decode: %w", err)
	}
	if info.Components == 4 {
		return nil, fmt.Errorf("pixiv: decode: CMYK: %w", frame.ErrUnsupported)
	}
	if info.Components == 3 && !supported[info.Subsampling] {
		return nil, fmt.Errorf("pixiv: decode: sampling %#x: %w", info.Subsampling, frame.ErrUnsupported)
	}
	one.Lock()
	defer one.Unlock()
	img, err := golibjpeg.Decode(bytes.NewReader(jpg[:info.Size]), &golibjpeg.DecoderOptions{DCTMethod: golibjpeg.DCTISlow})
	if err != nil {
		return nil, fmt.Errorf("pixiv: decode %dx%d: %w: %w", info.Width, info.Height, err, frame.ErrBadPicture)
	}
	return img, nil
}

var supported = [256]bool{0x11: true, 0x12: true, 0x21: true, 0x22: true}
