package picture

import (
	"fmt"
	"image"
	"image/color"
	stddraw "image/draw"

	"golang.org/x/image/draw"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/transform"
)

// derived returns the picture that f makes from p, or a picture with p's error.
func (p *Image) derived(w, h int) (*Image, bool) {
	if !p.open() {
		return failed(p.err), false
	}
	q := New(w, h, p.f.Format)
	return q, q.err == nil
}

// Clone returns a copy in its own memory.
func (p *Image) Clone() *Image { return p.Orient(false, false, 0) }

// Mirror returns the picture with left and right swapped, in its own memory.
func (p *Image) Mirror() *Image { return p.Orient(true, false, 0) }

// Flip returns the picture upside down (top and bottom swapped), in its own memory.
func (p *Image) Flip() *Image { return p.Orient(false, true, 0) }

// Rotate returns the picture rotated clockwise by 0, 90, 180 or 270 degrees, in its own memory; for other angles the result carries an error.
func (p *Image) Rotate(degrees int) *Image { return p.Orient(false, false, degrees) }

// Orient returns the picture mirrored, then flipped, then rotated, in its own memory.
func (p *Image) Orient(mirror, flip bool, degrees int) *Image {
	w, h := transform.Size(p.Width(), p.Height(), degrees)
	q, ok := p.derived(w, h)
	if !ok {
		return q
	}
	if err := transform.Orient(q.f, p.f, mirror, flip, degrees); err != nil {
		return failed(fmt.Errorf("picture: %w", err))
	}
	return q
}

// Crop returns the part of the picture of w x h pixels whose upper left corner is at x, y, clipped to the picture, in its own memory. If nothing
// is left, the result carries an error.
func (p *Image) Crop(x, y, w, h int) *Image {
	r := image.Rect(bound(x), bound(y), bound(bound(x)+bound(w)), bound(bound(y)+bound(h))).Intersect(p.Bounds())
	if p.err == nil && (w < 1 || h < 1 || r.Empty()) {
		return failed(fmt.Errorf("picture: crop %dx%d at %d,%d of %dx%d: nothing is left: %w", w, h, x, y, p.Width(), p.Height(), frame.ErrSize))
	}
	q, ok := p.derived(r.Dx(), r.Dy())
	if !ok {
		return q
	}
	if size := pixelBytes[p.f.Format]; size > 0 {
		for y := range r.Dy() {
			copy(q.f.Planes[0][y*q.f.Strides[0]:][:size*r.Dx()], p.f.Planes[0][(r.Min.Y+y)*p.f.Strides[0]+size*r.Min.X:])
		}
		return q
	}
	for y := range r.Dy() {
		for x := range r.Dx() {
			luma, cb, cr := p.ycc(r.Min.X+x, r.Min.Y+y)
			toLuma, toCb, toCr := q.ycc(x, y)
			*toLuma, *toCb, *toCr = *luma, *cb, *cr
		}
	}
	return q
}

// Resize returns the picture scaled to w x h pixels (bilinear, averaging when it shrinks), in its own memory. It does not keep the aspect ratio.
func (p *Image) Resize(w, h int) *Image {
	q, ok := p.derived(w, h)
	if !ok {
		return q
	}
	scaled := image.NewRGBA(q.Bounds())
	draw.BiLinear.Scale(scaled, scaled.Rect, p.standard(), p.Bounds(), draw.Src, nil)
	q.take(scaled)
	return q
}

// standard returns the picture as a standard library image, for libraries with fast paths for those: a view if the layouts agree, otherwise a copy.
func (p *Image) standard() image.Image {
	if p.f.Format == frame.RGBA {
		return &image.NRGBA{Pix: p.f.Planes[0], Stride: p.f.Strides[0], Rect: p.Bounds()}
	}
	img := image.NewRGBA(p.Bounds())
	for y := range p.f.Height {
		out := img.Pix[y*img.Stride:]
		for x := range p.f.Width {
			c := p.pixel(x, y)
			out[4*x], out[4*x+1], out[4*x+2], out[4*x+3] = c.R, c.G, c.B, c.A
		}
	}
	return img
}

// take fills the picture with src, which has the same size.
func (p *Image) take(src image.Image) {
	if straight, ok := src.(*image.NRGBA); ok && p.f.Format == frame.RGBA { // premultiplying would lose the colour of faint pixels
		b := straight.Bounds()
		for y := range p.f.Height {
			copy(p.f.Planes[0][y*p.f.Strides[0]:][:4*p.f.Width], straight.Pix[straight.PixOffset(b.Min.X, b.Min.Y+y):])
		}
		return
	}
	rgba, ok := src.(*image.RGBA)
	if !ok || rgba.Rect.Min != (image.Point{}) {
		rgba = image.NewRGBA(p.Bounds())
		stddraw.Draw(rgba, rgba.Rect, src, src.Bounds().Min, stddraw.Src)
	}
	for y := range p.f.Height {
		for x := range p.f.Width {
			i := inkOf(rgba.RGBAAt(x, y))
			p.replace(x, y, &i)
		}
	}
	if pixelBytes[p.f.Format] > 0 {
		return
	}
	rows := 2
	if p.f.Format == frame.YUV422 || p.f.Format == frame.YUYV {
		rows = 1
	}
	for y := 0; y < p.f.Height; y += rows {
		for x := 0; x < p.f.Width; x += 2 {
			p.meanColour(rgba, image.Rect(x, y, x+2, y+rows).Intersect(p.Bounds()))
		}
	}
}

// meanColour sets the pixels of r, which share their chroma, to the mean of src's.
func (p *Image) meanColour(src *image.RGBA, r image.Rectangle) {
	var sumCb, sumCr int
	n := r.Dx() * r.Dy()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := src.RGBAAt(x, y)
			_, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			sumCb, sumCr = sumCb+int(cb), sumCr+int(cr)
		}
	}
	_, cb, cr := p.ycc(r.Min.X, r.Min.Y)
	*cb, *cr = uint8((sumCb+n/2)/n), uint8((sumCr+n/2)/n)
}
