package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// JPEG encodes the picture with quality 1..100: by the encoder of its camera where there is one, else by libjpeg-turbo. What is transparent lies over white;
// Flatten gives another background. The result should be released.
func (p *Image) JPEG(quality int) (*Encoded, error) {
	if p == nil {
		return nil, errNil
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.transparent() {
		return p.Flatten(White).JPEG(quality)
	}
	if err := frame.CheckQuality(quality); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	if p.drawn {
		if err := p.f.Flush(); err != nil {
			return nil, fmt.Errorf("picture: hand what was drawn to the encoder: %w", err)
		}
		p.drawn = false
	}
	out := newEncoded("image/jpeg", p.f.Width, p.f.Height, frame.MaxJPEGSize(p.f.Width, p.f.Height))
	n, err := p.encode(out.data, quality)
	if err != nil {
		out.Release()
		return nil, fmt.Errorf("picture: %w", err)
	}
	out.data = out.data[:n]
	return out, nil
}

// transparent says whether some pixel is not opaque.
func (p *Image) transparent() bool {
	if p.f.Format != frame.RGBA || !p.open() {
		return false
	}
	for y := range p.f.Height {
		row := p.f.Planes[0][y*p.f.Strides[0]:][:4*p.f.Width]
		for x := 3; x < len(row); x += 4 {
			if row[x] != 255 {
				return true
			}
		}
	}
	return false
}

// Flatten returns the picture laid over a background, which is opaque, as RGB in memory of its own; a picture without transparency is returned itself.
func (p *Image) Flatten(background color.Color) *Image {
	if p.err != nil || !p.transparent() {
		return p
	}
	q := New(p.f.Width, p.f.Height, frame.RGB)
	if q.err != nil {
		return q
	}
	r, g, b, _ := background.RGBA()
	under := [3]uint32{r >> 8, g >> 8, b >> 8}
	for y := range p.f.Height {
		from, to := p.f.Planes[0][y*p.f.Strides[0]:][:4*p.f.Width], q.f.Planes[0][y*q.f.Strides[0]:]
		for x := range p.f.Width {
			a := uint32(from[4*x+3])
			for i := range under {
				to[3*x+i] = byte((uint32(from[4*x+i])*a + under[i]*(255-a) + 127) / 255)
			}
		}
	}
	return q
}

func (p *Image) encode(dst []byte, quality int) (int, error) {
	if p.enc != nil {
		n, err := p.enc.Encode(dst, p.f, quality)
		if !errors.Is(err, frame.ErrUnsupported) {
			return n, err
		}
	}
	e, err := encoders.get()
	if err != nil {
		return 0, err
	}
	defer encoders.put(e)
	return e.Encode(dst, p.f, quality)
}

// encoders keeps a few software encoders for all pictures: as many at once as are asked for, no more than idle of them kept.
var encoders encoderPool

type encoderPool struct {
	mu   sync.Mutex
	free []*libjpeg.Encoder
}

const idle = 4

func (pool *encoderPool) get() (*libjpeg.Encoder, error) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if n := len(pool.free); n > 0 {
		e := pool.free[n-1]
		pool.free = pool.free[:n-1]
		return e, nil
	}
	return libjpeg.NewEncoder()
}

func (pool *encoderPool) put(e *libjpeg.Encoder) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if len(pool.free) < idle {
		pool.free = append(pool.free, e)
		return
	}
	_ = e.Close() // a software encoder's Close has nothing to report
}

// PNG encodes the picture without loss.
func (p *Image) PNG() (*Encoded, error) {
	if p == nil {
		return nil, errNil
	}
	if p.err != nil {
		return nil, p.err
	}
	if !p.open() {
		return nil, p.err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p.forPNG()); err != nil {
		return nil, fmt.Errorf("picture: encode %dx%d as PNG: %w", p.f.Width, p.f.Height, err)
	}
	out := newEncoded("image/png", p.f.Width, p.f.Height, b.Len())
	copy(out.data, b.Bytes())
	return out, nil
}

// forPNG shows the picture in the smallest form that PNG has for it.
func (p *Image) forPNG() image.Image {
	if p.f.Format == frame.Grey {
		return &image.Gray{Pix: p.f.Planes[0], Stride: p.f.Strides[0], Rect: p.Bounds()}
	}
	return p.standard()
}
