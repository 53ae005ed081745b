//go:build cgo

package pixiv

import (
	"errors"
	"fmt"
	"image"

	golibjpeg "github.com/pixiv/go-libjpeg/jpeg"

	"github.com/maixstream/maixstream/hw/frame"
)

// Encoder is a frame.Encoder that uses go-libjpeg, for YUV420 and Grey frames. It allocates with each frame.
type Encoder struct {
	closed bool
	buf    []byte
}

var _ frame.Encoder = (*Encoder)(nil)

// Name returns "go-libjpeg".
func (e *Encoder) Name() string { return "go-libjpeg" }

// Encode implements frame.Encoder for YUV420 and Grey; for other formats the error wraps frame.ErrUnsupported.
func (e *Encoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	if e.closed {
		return 0, errors.New("pixiv: encode: the encoder is closed")
	}
	if err := frame.CheckQuality(quality); err != nil {
		return 0, fmt.Errorf("pixiv: encode: %w", err)
	}
	if err := f.Map(); err != nil {
		return 0, fmt.Errorf("pixiv: encode: %w", err)
	}
	if err := f.Check(); err != nil {
		return 0, fmt.Errorf("pixiv: encode: %w", err)
	}
	padW, padH := (f.Width+15)&^15, (f.Height+15)&^15
	rect := image.Rect(0, 0, f.Width, f.Height)
	if need := padW * padH * 3 / 2; len(e.buf) < need {
		e.buf = make([]byte, need)
	}
	luma := e.buf[:padW*padH]
	padded(luma, padW, f, 0)
	var img image.Image
	switch f.Format {
	case frame.YUV420:
		cb, cr := e.buf[padW*padH:][:padW*padH/4], e.buf[padW*padH*5/4:][:padW*padH/4]
		padded(cb, padW/2, f, 1)
		padded(cr, padW/2, f, 2)
		img = &image.YCbCr{Y: luma, Cb: cb, Cr: cr, YStride: padW, CStride: padW / 2, SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: rect}
	case frame.Grey:
		img = &image.Gray{Pix: luma, Stride: padW, Rect: rect}
	default:
		return 0, fmt.Errorf("pixiv: encode %s: %w", f.Format, frame.ErrUnsupported)
	}
	method := golibjpeg.DCTISlow
	if quality < 96 {
		method = golibjpeg.DCTIFast
	}
	out := bottomless{dst: dst}
	one.Lock()
	err := golibjpeg.Encode(&out, img, &golibjpeg.EncoderOptions{Quality: quality, DCTMethod: method})
	one.Unlock()
	if err != nil {
		return 0, fmt.Errorf("pixiv: encode %s %dx%d: %w", f.Format, f.Width, f.Height, err)
	}
	if out.n > len(dst) {
		return 0, fmt.Errorf("pixiv: encode %s %dx%d, quality %d, into %d bytes: %w", f.Format, f.Width, f.Height, quality, len(dst), frame.ErrTooLarge)
	}
	return out.n, nil
}

// Close releases the encoder's memory. It may be called twice.
func (e *Encoder) Close() error {
	*e = Encoder{closed: true}
	return nil
}

// padded copies plane i of f into dst, rows of stride bytes, and repeats its last column and row up to the end of dst.
func padded(dst []byte, stride int, f *frame.Frame, i int) {
	rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
	for y := range len(dst) / stride {
		row := dst[y*stride:][:stride]
		if y >= rows {
			copy(row, dst[(rows-1)*stride:][:stride])
			continue
		}
		copy(row[:rowBytes], f.Planes[i][y*f.Strides[i]:])
		for x := rowBytes; x < stride; x++ {
			row[x] = row[rowBytes-1]
		}
	}
}

// bottomless is a writer that cannot fail: it keeps what fits and counts everything.
type bottomless struct {
	dst []byte
	n   int
}

func (w *bottomless) Write(p []byte) (int, error) {
	if w.n < len(w.dst) {
		copy(w.dst[w.n:], p)
	}
	w.n += len(p)
	return len(p), nil
}
