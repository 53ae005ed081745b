package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// JPEG encodes the picture with quality 1..100: by the encoder of its camera where there is one, else by libjpeg-turbo. The result should be released.
func (p *Image) JPEG(quality int) (*Encoded, error) {
	if p.err != nil {
		return nil, p.err
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
