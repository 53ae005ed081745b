//go:build cgo

package libjpeg

import (
	"image"

	"github.com/maixstream/maixstream/hw/libjpeg/internal/pixiv"
)

func decode(jpg []byte) (image.Image, error) { return pixiv.Decode(jpg) }
