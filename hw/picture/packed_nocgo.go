//go:build !cgo

package picture

import "image"

// packedRGB: the standard library has no image of three bytes a pixel.
func packedRGB(image.Image) (pix []byte, stride int, ok bool) { return nil, 0, false }
