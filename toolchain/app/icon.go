package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
)

const iconSize = 128 // pixels, square

// icon draws a lens with three waves beside it, on a rounded square.
func icon() ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, iconSize, iconSize))
	const sub = 4 // samples per pixel and direction, for smooth edges
	for y := range iconSize {
		for x := range iconSize {
			var r, g, b, a int
			for i := range sub * sub {
				c := shade(float64(x)+(float64(i%sub)+.5)/sub, float64(y)+(float64(i/sub)+.5)/sub)
				r, g, b, a = r+int(c.R)*int(c.A), g+int(c.G)*int(c.A), b+int(c.B)*int(c.A), a+int(c.A)
			}
			if a > 0 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a / (sub * sub))})
			}
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}

// shade returns the icon's colour at a point.
func shade(x, y float64) color.NRGBA {
	const corner = 26.0
	dx, dy := math.Max(0, math.Abs(x-iconSize/2)-(iconSize/2-corner)), math.Max(0, math.Abs(y-iconSize/2)-(iconSize/2-corner))
	if math.Hypot(dx, dy) > corner {
		return color.NRGBA{}
	}
	white, blue, dark, glass := color.NRGBA{255, 255, 255, 255}, color.NRGBA{18, 113, 214, 255}, color.NRGBA{10, 40, 82, 255}, color.NRGBA{74, 178, 255, 255}
	lens := math.Hypot(x-46, y-64)
	switch {
	case math.Hypot(x-38, y-55) < 5:
		return white
	case lens < 18:
		return glass
	case lens < 27:
		return dark
	case lens < 34:
		return white
	}
	if math.Abs(math.Atan2(y-64, x-46)) < .65 {
		for _, radius := range []float64{44, 57, 70} {
			if math.Abs(lens-radius) < 3.5 {
				return white
			}
		}
	}
	return blue
}
