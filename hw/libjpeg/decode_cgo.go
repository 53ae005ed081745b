//go:build cgo

package libjpeg

import (
	"image"

	"github.com/maixstream/maixstream/hw/libjpeg/internal/pixiv"
)

func decode(jpg []byte, rgb bool, least image.Point) (image.Image, error) {
	return pixiv.Decode(jpg, pixiv.Options{RGB: rgb, Least: least})
}
