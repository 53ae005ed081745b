package picture

import (
	"image"
	"image/color"

	"github.com/maixstream/maixstream/hw/frame"
)

// ink is a colour in all the forms in which it is written to pixels.
type ink struct {
	r, g, b, a   uint32 // premultiplied by alpha, 0..0xffff
	straight     color.NRGBA
	luma, cb, cr uint8 // of straight
}

func inkOf(c color.Color) ink {
	if c == nil {
		c = color.Transparent
	}
	var i ink
	i.r, i.g, i.b, i.a = c.RGBA()
	i.straight = color.NRGBAModel.Convert(c).(color.NRGBA)
	i.luma, i.cb, i.cr = color.RGBToYCbCr(i.straight.R, i.straight.G, i.straight.B)
	return i
}

const full = 0xffff

// over composes a premultiplied channel s over d with s's alpha a and coverage m, all 0..0xffff except d. It is image/draw's arithmetic, bit for bit.
func over(d uint8, s, a, m uint32) uint8 {
	keep := (full - a*m/full) * 0x101
	return uint8((uint32(d)*keep + s*m) / full >> 8)
}

// put draws ink on the pixel at x, y, which is inside and mapped, with coverage m (0..0xffff).
func (p *Image) put(x, y int, i *ink, m uint32) {
	f := p.f
	switch f.Format {
	case frame.RGB, frame.BGR:
		px := f.Planes[0][y*f.Strides[0]+3*x:][:3]
		first, third := i.r, i.b
		if f.Format == frame.BGR {
			first, third = third, first
		}
		px[0], px[1], px[2] = over(px[0], first, i.a, m), over(px[1], i.g, i.a, m), over(px[2], third, i.a, m)
	case frame.RGBA:
		putRGBA(f.Planes[0][y*f.Strides[0]+4*x:][:4], i, m)
	case frame.Grey:
		px := &f.Planes[0][y*f.Strides[0]+x]
		*px = over(*px, premultiplied(i.luma, i.a), i.a, m)
	default: // opaque only: pixels that share chroma would receive it several times
		luma, cb, cr := p.ycc(x, y)
		*luma, *cb, *cr = over(*luma, premultiplied(i.luma, i.a), i.a, m), over(*cb, premultiplied(i.cb, i.a), i.a, m), over(*cr, premultiplied(i.cr, i.a), i.a, m)
	}
}

// premultiplied converts an 8-bit sample for over.
func premultiplied(sample uint8, a uint32) uint32 { return uint32(sample) * 0x101 * a / full }

// shared returns how many columns and rows of pixels share their chroma; 0, 0 in formats in which each pixel has its own.
func (p *Image) shared() (cols, rows int) {
	switch p.f.Format {
	case frame.YUV420, frame.NV21, frame.NV12:
		return 2, 2
	case frame.YUV422, frame.YUYV:
		return 2, 1
	}
	return 0, 0
}

// through draws ink on the pixels covered by mask, which is inside of the picture. Pixels that share their chroma receive it once, with the
// largest of their coverages.
func (p *Image) through(mask *image.Alpha, i *ink) {
	cols, rows := p.shared()
	r := mask.Rect
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for n, a := range mask.Pix[mask.PixOffset(r.Min.X, y):][:r.Dx()] {
			switch m := uint32(a) * 0x101; {
			case a == 0:
			case rows == 0:
				p.put(r.Min.X+n, y, i, m)
			default:
				luma, _, _ := p.ycc(r.Min.X+n, y)
				*luma = over(*luma, premultiplied(i.luma, i.a), i.a, m)
			}
		}
	}
	if rows == 0 || r.Empty() {
		return
	}
	for y := r.Min.Y / rows * rows; y < r.Max.Y; y += rows {
		for x := r.Min.X / cols * cols; x < r.Max.X; x += cols {
			block, most := image.Rect(x, y, x+cols, y+rows).Intersect(r), uint8(0)
			for by := block.Min.Y; by < block.Max.Y; by++ {
				for _, a := range mask.Pix[mask.PixOffset(block.Min.X, by):][:block.Dx()] {
					most = max(most, a)
				}
			}
			if m := uint32(most) * 0x101; m != 0 {
				_, cb, cr := p.ycc(block.Min.X, block.Min.Y)
				*cb, *cr = over(*cb, premultiplied(i.cb, i.a), i.a, m), over(*cr, premultiplied(i.cr, i.a), i.a, m)
			}
		}
	}
}

// putRGBA is put for a pixel with its own alpha, not premultiplied.
func putRGBA(px []byte, i *ink, m uint32) {
	if px[3] == 255 {
		px[0], px[1], px[2] = over(px[0], i.r, i.a, m), over(px[1], i.g, i.a, m), over(px[2], i.b, i.a, m)
		return
	}
	below := color.NRGBA{px[0], px[1], px[2], px[3]}
	r, g, b, a := below.RGBA()
	keep := full - i.a*m/full
	sum := color.RGBA64{
		R: uint16((r*keep + i.r*m) / full), G: uint16((g*keep + i.g*m) / full),
		B: uint16((b*keep + i.b*m) / full), A: uint16((a*keep + i.a*m) / full),
	}
	c := color.NRGBAModel.Convert(sum).(color.NRGBA)
	px[0], px[1], px[2], px[3] = c.R, c.G, c.B, c.A
}

// replace sets the pixel at x, y, which is inside and mapped, to exactly the ink's colour; formats without alpha compose it over black.
func (p *Image) replace(x, y int, i *ink) {
	f := p.f
	switch f.Format {
	case frame.RGBA:
		s := i.straight
		copy(f.Planes[0][y*f.Strides[0]+4*x:][:4], []byte{s.R, s.G, s.B, s.A})
	case frame.RGB:
		copy(f.Planes[0][y*f.Strides[0]+3*x:][:3], []byte{uint8(i.r >> 8), uint8(i.g >> 8), uint8(i.b >> 8)})
	case frame.BGR:
		copy(f.Planes[0][y*f.Strides[0]+3*x:][:3], []byte{uint8(i.b >> 8), uint8(i.g >> 8), uint8(i.r >> 8)})
	default:
		luma, cb, cr := color.RGBToYCbCr(uint8(i.r>>8), uint8(i.g>>8), uint8(i.b>>8))
		if f.Format == frame.Grey {
			f.Planes[0][y*f.Strides[0]+x] = luma
			return
		}
		a, b, c := p.ycc(x, y)
		*a, *b, *c = luma, cb, cr
	}
}

// span draws ink on the pixels x0..x1-1 of row y, clipped to the picture, which is mapped.
func (p *Image) span(x0, x1, y int, i *ink) {
	if y < 0 || y >= p.f.Height {
		return
	}
	x0, x1 = max(x0, 0), min(x1, p.f.Width)
	if x0 >= x1 || i.a == 0 {
		return
	}
	if p.mask != nil {
		row := p.mask.Pix[p.mask.PixOffset(x0, y):][:x1-x0]
		for n := range row {
			row[n] = 255
		}
		p.masked = p.masked.Union(image.Rect(x0, y, x1, y+1))
		return
	}
	if size := pixelBytes[p.f.Format]; size > 0 && i.a == full {
		// Opaque and packed: one pixel, replicated by doubling.
		p.put(x0, y, i, full)
		row := p.f.Planes[0][y*p.f.Strides[0]:][size*x0 : size*x1]
		if size == 4 {
			row[3] = 255
		}
		for n := size; n < len(row); n *= 2 {
			copy(row[n:], row[:n])
		}
		return
	}
	for x := x0; x < x1; x++ {
		p.put(x, y, i, full)
	}
}

// pixelBytes returns the bytes per pixel of packed formats; 0 for others.
var pixelBytes = [...]int{frame.Grey: 1, frame.RGB: 3, frame.BGR: 3, frame.RGBA: 4}
