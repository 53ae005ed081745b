// Package lettering draws text into coverage masks, with the font Go Mono Bold from golang.org/x/image.
package lettering

import (
	"fmt"
	"image"
	"image/draw"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// MinSize and MaxSize limit the height of a line in pixels; other sizes are clamped.
const (
	MinSize = 6
	MaxSize = 512
)

var parse = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(gomonobold.TTF) })

// maxGlyphs limits a Pen's glyph cache; a text with more characters restarts it.
const maxGlyphs = 256

// Pen draws text of one size. It caches glyphs, so that drawing them again does not allocate. One goroutine uses a Pen at a time.
type Pen struct {
	face   font.Face
	ascent int
	line   int
	glyphs map[rune]glyph
}

// glyph is a character's coverage, with bounds relative to the pen's position on the baseline, and its advance, in pixels.
type glyph struct {
	mask    *image.Alpha
	advance int
}

// NewPen returns a Pen whose lines are size pixels high. It fails only if the built-in font cannot be read.
func NewPen(size int) (*Pen, error) {
	size = min(max(size, MinSize), MaxSize)
	f, err := parse()
	if err != nil {
		return nil, fmt.Errorf("lettering: read the built-in font: %w", err)
	}
	// The font's lines are about 1.17 em high: choose the em that makes them size pixels.
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: float64(size) / 1.17, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("lettering: open the built-in font at %d pixels: %w", size, err)
	}
	return &Pen{face: face, ascent: min(face.Metrics().Ascent.Ceil(), size), line: size, glyphs: map[rune]glyph{}}, nil
}

// Line returns the height of a line in pixels.
func (p *Pen) Line() int { return p.line }

// Size returns the width and height of text in pixels; its lines are separated by \n.
func (p *Pen) Size(text string) (width, height int) {
	for line := range strings.SplitSeq(text, "\n") {
		w := 0
		for _, r := range line {
			if w > maxWidth {
				break
			}
			w += p.glyph(r).advance
		}
		width = max(width, w)
		height += p.line
	}
	return width, height
}

// maxWidth is where measuring a line stops: wider than any frame.
const maxWidth = 1 << 16

// Draw draws text, its upper left corner at x, y, into mask, where it keeps the greater coverage of old and new. Anything outside
// mask is clipped; a line ends at mask's right edge, so that the cost is bounded by mask, not by text.
func (p *Pen) Draw(mask *image.Alpha, x, y int, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if y >= mask.Rect.Max.Y {
			return
		}
		if y+p.line > mask.Rect.Min.Y {
			p.drawLine(mask, x, y+p.ascent, line)
		}
		y += p.line
	}
}

func (p *Pen) drawLine(mask *image.Alpha, x, baseline int, line string) {
	for _, r := range line {
		if x >= mask.Rect.Max.X {
			return
		}
		g := p.glyph(r)
		if g.mask != nil {
			stamp(mask, g.mask, image.Pt(x, baseline))
		}
		x += g.advance
	}
}

// stamp draws glyph, moved by at, into mask.
func stamp(mask, glyph *image.Alpha, at image.Point) {
	r := glyph.Rect.Add(at).Intersect(mask.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		src := glyph.Pix[glyph.PixOffset(r.Min.X-at.X, y-at.Y):][:r.Dx()]
		dst := mask.Pix[mask.PixOffset(r.Min.X, y):][:r.Dx()]
		for i, a := range src {
			dst[i] = max(dst[i], a)
		}
	}
}

func (p *Pen) glyph(r rune) glyph {
	if g, ok := p.glyphs[r]; ok {
		return g
	}
	dr, drawn, at, advance, ok := p.face.Glyph(fixed.Point26_6{}, r)
	g := glyph{advance: advance.Round()}
	if src, isAlpha := drawn.(*image.Alpha); ok && isAlpha && !dr.Empty() {
		g.mask = image.NewAlpha(dr)
		draw.Draw(g.mask, dr, src, at, draw.Src)
	}
	if len(p.glyphs) >= maxGlyphs {
		clear(p.glyphs)
	}
	p.glyphs[r] = g
	return g
}
