package picture

import (
	"image"
	"image/color"
	"math"

	"github.com/maixstream/maixstream/hw/internal/lettering"
)

// far bounds coordinates, so that no sum of them overflows.
const far = 1 << 24

func bound(v int) int { return min(max(v, -far), far) }

// begin makes the pixels ready to be drawn on; end must follow.
func (p *Image) begin(c color.Color) (ink, bool) {
	if !p.open() {
		return ink{}, false
	}
	p.drawn = true
	i := inkOf(c)
	if _, rows := p.shared(); rows > 0 && i.a != 0 && i.a != full {
		p.mask, p.masked = image.NewAlpha(p.Bounds()), image.Rectangle{}
	}
	return i, true
}

// end puts on what was drawn into a mask.
func (p *Image) end(i *ink) {
	if p.mask != nil {
		p.through(p.mask.SubImage(p.masked).(*image.Alpha), i)
		p.mask = nil
	}
}

// Fill gives every pixel a colour; a translucent one is laid over what is there.
func (p *Image) Fill(c color.Color) { p.DrawRect(0, 0, p.Width(), p.Height(), c, -1) }

// DrawRect draws a rectangle whose upper left pixel is x, y, w x h pixels large. A thickness of 1 is its outermost pixels; more grows to both
// sides of these, half of it outwards (rounded down); below 0 fills it; 0, or a size below 1, draws nothing.
func (p *Image) DrawRect(x, y, w, h int, c color.Color, thickness int) {
	i, ok := p.begin(c)
	if !ok {
		return
	}
	defer p.end(&i)
	if w < 1 || h < 1 || thickness == 0 {
		return
	}
	x, y, w, h, thickness = bound(x), bound(y), bound(w), bound(h), bound(thickness)
	if thickness < 0 {
		p.box(x, y, x+w, y+h, &i)
		return
	}
	out, in := thickness/2, thickness-thickness/2
	if 2*in >= w || 2*in >= h { // nothing left inside
		p.box(x-out, y-out, x+w+out, y+h+out, &i)
		return
	}
	p.box(x-out, y-out, x+w+out, y+in, &i)
	p.box(x-out, y+h-in, x+w+out, y+h+out, &i)
	p.box(x-out, y+in, x+in, y+h-in, &i)
	p.box(x+w-in, y+in, x+w+out, y+h-in, &i)
}

// box fills x0..x1-1, y0..y1-1.
func (p *Image) box(x0, y0, x1, y1 int, i *ink) {
	for y := max(y0, 0); y < min(y1, p.f.Height); y++ {
		p.span(x0, x1, y, i)
	}
}

// DrawLine draws a line from x1, y1 to x2, y2, both included. A line thicker than 1 has round ends. A thickness below 1 counts as 1.
func (p *Image) DrawLine(x1, y1, x2, y2 int, c color.Color, thickness int) {
	i, ok := p.begin(c)
	if !ok {
		return
	}
	defer p.end(&i)
	x1, y1, x2, y2 = bound(x1), bound(y1), bound(x2), bound(y2)
	if thickness > 1 {
		p.thickLine(float64(x1), float64(y1), float64(x2), float64(y2), float64(bound(thickness))/2, &i)
		return
	}
	dx, dy := x2-x1, y2-y1
	if dx == 0 && dy == 0 {
		p.span(x1, x1+1, y1, &i)
		return
	}
	// One pixel for each step along the longer side, of which only those inside are walked.
	if max(dx, -dx) >= max(dy, -dy) {
		if dx < 0 {
			x1, y1, x2, dx, dy = x2, y2, x1, -dx, -dy
		}
		for x := max(x1, 0); x <= min(x2, p.f.Width-1); x++ {
			p.span(x, x+1, y1+divRound((x-x1)*dy, dx), &i)
		}
		return
	}
	if dy < 0 {
		x1, y1, y2, dx, dy = x2, y2, y1, -dx, -dy
	}
	for y := max(y1, 0); y <= min(y2, p.f.Height-1); y++ {
		x := x1 + divRound((y-y1)*dx, dy)
		p.span(x, x+1, y, &i)
	}
}

// divRound returns a/b, b > 0, rounded to the nearest integer.
func divRound(a, b int) int { return int(math.Floor(float64(a)/float64(b) + 0.5)) }

// thickLine fills the pixels whose centre is at most radius from the segment.
func (p *Image) thickLine(x1, y1, x2, y2, radius float64, i *ink) {
	dx, dy := x2-x1, y2-y1
	length := dx*dx + dy*dy
	top, bottom := max(math.Floor(min(y1, y2)-radius), 0), min(math.Ceil(max(y1, y2)+radius), float64(p.f.Height-1))
	left, right := max(math.Floor(min(x1, x2)-radius), 0), min(math.Ceil(max(x1, x2)+radius), float64(p.f.Width-1))
	for y := top; y <= bottom; y++ {
		start := -1
		for x := left; x <= right; x++ {
			t := 0.0
			if length > 0 {
				t = min(max(((x-x1)*dx+(y-y1)*dy)/length, 0), 1)
			}
			ex, ey := x-x1-t*dx, y-y1-t*dy
			switch inside := ex*ex+ey*ey <= radius*radius; {
			case inside && start < 0:
				start = int(x)
			case !inside && start >= 0:
				p.span(start, int(x), int(y), i)
				start = -2 // a segment's row is one piece
			}
			if start == -2 {
				break
			}
		}
		if start >= 0 {
			p.span(start, int(right)+1, int(y), i)
		}
	}
}

// DrawCircle draws a circle around the pixel x, y. A thickness of 1 is the pixels nearest to the radius; more grows to both sides; below 0
// fills it; 0, or a radius below 0, draws nothing.
func (p *Image) DrawCircle(x, y, radius int, c color.Color, thickness int) {
	i, ok := p.begin(c)
	if !ok {
		return
	}
	defer p.end(&i)
	if radius < 0 || thickness == 0 {
		return
	}
	x, y, radius, thickness = bound(x), bound(y), bound(radius), bound(thickness)
	outer, inner := float64(radius)+0.5, -1.0
	if thickness > 0 {
		outer = float64(radius) + float64(thickness)/2
		inner = float64(radius) - float64(thickness)/2
	}
	reach := int(math.Ceil(outer))
	for row := max(y-reach, 0); row <= min(y+reach, p.f.Height-1); row++ {
		d := float64(row - y)
		if d*d > outer*outer {
			continue
		}
		out := int(math.Sqrt(outer*outer - d*d))
		if inner <= 0 || d*d >= inner*inner {
			p.span(x-out, x+out+1, row, &i)
			continue
		}
		// The first column that is no longer strictly inside of the inner circle.
		in := int(math.Ceil(math.Sqrt(inner*inner - d*d)))
		p.span(x-out, x-in+1, row, &i)
		p.span(x+in, x+out+1, row, &i)
	}
}

// DrawText writes text, its upper left corner at x, y, in lines of size pixels (lettering.MinSize..MaxSize; sizes outside are brought to the nearer), which
// \n separates. What goes over the edge is cut off.
func (p *Image) DrawText(x, y int, text string, c color.Color, size int) {
	if !p.open() {
		return
	}
	p.drawn = true
	i := inkOf(c)
	if p.pen == nil || p.penSize != size {
		pen, err := lettering.NewPen(size)
		if err != nil { // the font is part of the program: this cannot happen, and must not pass unseen if it does
			p.fail(err)
			return
		}
		p.pen, p.penSize = pen, size
	}
	x, y = bound(x), bound(y)
	w, h := p.pen.Size(text)
	overhang := p.pen.Line() / 2 // letters may lean out of their place
	mask := image.NewAlpha(image.Rect(x-overhang, y-overhang, x+w+overhang, y+h+overhang).Intersect(p.Bounds()))
	p.pen.Draw(mask, x, y, text)
	p.through(mask, &i)
}

// TextSize returns the width and height in pixels of what DrawText writes.
func TextSize(text string, size int) (width, height int) {
	pen, err := lettering.NewPen(size)
	if err != nil {
		return 0, 0
	}
	return pen.Size(text)
}

// DrawPicture puts src, its upper left corner at x, y, over the picture: another Image, or any image. Transparent parts of it let through what is there.
func (p *Image) DrawPicture(x, y int, src image.Image) {
	if src == nil || !p.open() {
		return
	}
	if other, ok := src.(*Image); ok && (other == p || !other.open()) {
		if other != p {
			return
		}
		src = p.Clone()
	}
	p.drawn = true
	b := src.Bounds()
	x, y = bound(x), bound(y)
	r := image.Rect(x, y, x+b.Dx(), y+b.Dy()).Intersect(p.Bounds())
	at := func(px, py int) ink { return inkOf(src.At(b.Min.X+px-x, b.Min.Y+py-y)) }
	cols, rows := p.shared()
	if rows == 0 {
		for py := r.Min.Y; py < r.Max.Y; py++ {
			for px := r.Min.X; px < r.Max.X; px++ {
				if i := at(px, py); i.a != 0 {
					p.put(px, py, &i, full)
				}
			}
		}
		return
	}
	for py := r.Min.Y / rows * rows; py < r.Max.Y; py += rows {
		for px := r.Min.X / cols * cols; px < r.Max.X; px += cols {
			p.putBlock(image.Rect(px, py, px+cols, py+rows).Intersect(r), at)
		}
	}
}

// putBlock puts the inks at r's pixels, which share their chroma, over them; the chroma is the mean of all.
func (p *Image) putBlock(r image.Rectangle, at func(x, y int) ink) {
	var a, cb, cr uint32
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			i := at(x, y)
			luma, _, _ := p.ycc(x, y)
			*luma = over(*luma, premultiplied(i.luma, i.a), i.a, full)
			a, cb, cr = a+i.a, cb+premultiplied(i.cb, i.a), cr+premultiplied(i.cr, i.a)
		}
	}
	n := uint32(r.Dx() * r.Dy())
	_, toCb, toCr := p.ycc(r.Min.X, r.Min.Y)
	*toCb, *toCr = over(*toCb, cb/n, a/n, full), over(*toCr, cr/n, a/n, full)
}
