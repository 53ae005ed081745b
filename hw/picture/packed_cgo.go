//go:build cgo

package picture

import (
	"image"

	"github.com/pixiv/go-libjpeg/rgb"
)

// packedRGB returns the pixels of an image of three bytes a pixel.
func packedRGB(img image.Image) (pix []byte, stride int, ok bool) {
	if img, ok := img.(*rgb.Image); ok {
		return img.Pix, img.Stride, true
	}
	return nil, 0, false
}
