package encodertest

import (
	"image"
	"image/color"
	"math"
	"sync"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// scenes keeps what Scene made.
var scenes sync.Map // image.Point -> *image.RGBA

// Scene is the picture that the suite encodes: smooth shades, a few edges and some fine texture, a function of the position alone, so that any size has it.
// It is shared: not to be written.
func Scene(width, height int) *image.RGBA {
	size := image.Pt(width, height)
	if made, ok := scenes.Load(size); ok {
		return made.(*image.RGBA)
	}
	made, _ := scenes.LoadOrStore(size, makeScene(width, height))
	return made.(*image.RGBA)
}

func makeScene(width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			fx, fy := float64(x), float64(y)
			texture := 10*math.Sin(fx/2.3)*math.Cos(fy/3.1) + 6*math.Sin((fx+fy)/5)
			r := 120 + 70*math.Sin(fx/97) + texture
			g := 110 + 60*math.Cos(fy/71) + texture
			b := 130 + 60*math.Sin((fx+fy)/113) + texture
			if (x/40+y/40)%5 == 0 {
				r, g, b = r+40, g-20, b-40
			}
			img.SetRGBA(x, y, color.RGBA{clamp(r), clamp(g), clamp(b), 255})
		}
	}
	return img
}

func clamp(v float64) uint8 { return uint8(min(max(math.Round(v), 0), 255)) }

// FromImage makes a frame of any raw format, its planes padded, the padding and everything else that is not picture set to fill.
func FromImage(t testing.TB, img *image.RGBA, format frame.Format, fill byte) *frame.Frame {
	t.Helper()
	w, h := img.Rect.Dx(), img.Rect.Dy()
	f, err := frame.Alloc(format, w, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Planes {
		for i := range p {
			p[i] = fill
		}
	}
	// ycc returns the mean of the pixels of a block, clipped to the picture.
	ycc := func(x, y, bw, bh int) (uint8, uint8, uint8) {
		var sy, scb, scr, n int
		for by := range bh {
			for bx := range bw {
				p := img.RGBAAt(min(x+bx, w-1), min(y+by, h-1))
				yy, cb, cr := color.RGBToYCbCr(p.R, p.G, p.B)
				sy, scb, scr, n = sy+int(yy), scb+int(cb), scr+int(cr), n+1
			}
		}
		return uint8((sy + n/2) / n), uint8((scb + n/2) / n), uint8((scr + n/2) / n)
	}
	row := func(plane, y int) []byte { return f.Planes[plane][y*f.Strides[plane]:] }
	for y := range h {
		for x := range w {
			p := img.RGBAAt(x, y)
			luma, _, _ := ycc(x, y, 1, 1)
			switch format {
			case frame.RGB:
				copy(row(0, y)[3*x:], []byte{p.R, p.G, p.B})
			case frame.BGR:
				copy(row(0, y)[3*x:], []byte{p.B, p.G, p.R})
			case frame.RGBA:
				copy(row(0, y)[4*x:], []byte{p.R, p.G, p.B, fill})
			case frame.YUYV:
				row(0, y)[2*x] = luma
				if x%2 == 0 {
					_, cb, cr := ycc(x, y, 2, 1)
					row(0, y)[2*x+1], row(0, y)[2*x+3] = cb, cr
				}
			default:
				row(0, y)[x] = luma
			}
		}
	}
	chromaH := h
	switch format {
	case frame.YUV420, frame.NV12, frame.NV21:
		chromaH = (h + 1) / 2
	case frame.YUV422:
	default:
		return f
	}
	for y := range chromaH {
		for x := range (w + 1) / 2 {
			bh := 2
			if format == frame.YUV422 {
				bh = 1
			}
			_, cb, cr := ycc(2*x, bh*y, 2, bh)
			switch format {
			case frame.YUV420, frame.YUV422:
				row(1, y)[x], row(2, y)[x] = cb, cr
			case frame.NV12:
				row(1, y)[2*x], row(1, y)[2*x+1] = cb, cr
			case frame.NV21:
				row(1, y)[2*x], row(1, y)[2*x+1] = cr, cb
			}
		}
	}
	return f
}

// PSNR compares the luma (and, for colour pictures, the colours) of what was encoded with what came out, in dB over all samples; it is +Inf for equal pictures.
func PSNR(want *image.RGBA, got image.Image) float64 {
	var sum float64
	n := 0
	_, grey := got.(*image.Gray)
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			a := want.RGBAAt(x, y)
			r, g, b, _ := got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y).RGBA()
			if grey {
				luma, _, _ := color.RGBToYCbCr(a.R, a.G, a.B)
				a = color.RGBA{luma, luma, luma, 255}
			}
			for _, d := range [3]float64{float64(a.R) - float64(r>>8), float64(a.G) - float64(g>>8), float64(a.B) - float64(b>>8)} {
				sum += d * d
				n++
			}
		}
	}
	if sum == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(255*255*float64(n)/sum)
}
