//go:build !cgo

package libjpeg

import (
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/maixstream/maixstream/hw/frame"
)

// Encoder is a frame.Encoder that uses the standard library's image/jpeg, in a build without cgo: correct, several times slower than
// libjpeg-turbo, and with a few kilobytes of garbage per frame.
type Encoder struct {
	closed bool
	ycc    image.YCbCr // passed to image/jpeg; its planes are the frame's or in scratch
	grey   image.Gray
	rgba   image.RGBA
	buf    []byte
	out    fixedWriter
}

var _ frame.Encoder = (*Encoder)(nil)

// NewEncoder makes an Encoder. It does not fail in a build without cgo.
func NewEncoder() (*Encoder, error) { return &Encoder{}, nil }

// Name returns "image/jpeg".
func (e *Encoder) Name() string { return "image/jpeg" }

// Encode writes f to dst as a JPEG; see frame.Encoder. f may have any raw format; an unmapped frame is mapped first.
func (e *Encoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	if e.closed {
		return 0, errors.New("libjpeg: encode: the encoder is closed")
	}
	if err := check(f, quality); err != nil {
		return 0, err
	}
	e.out = fixedWriter{dst: dst}
	if err := jpeg.Encode(&e.out, e.image(f), &jpeg.Options{Quality: quality}); err != nil {
		return 0, fmt.Errorf("libjpeg: encode %s %dx%d, quality %d, into %d bytes: %w", f.Format, f.Width, f.Height, quality, len(dst), err)
	}
	return e.out.n, nil
}

// Close releases the encoder's memory. It may be called twice.
func (e *Encoder) Close() error {
	*e = Encoder{closed: true}
	return nil
}

// image presents f to image/jpeg: without a copy if the layout allows it, otherwise converted once.
func (e *Encoder) image(f *frame.Frame) image.Image {
	r := image.Rect(0, 0, f.Width, f.Height)
	if f.Format == frame.Grey {
		e.grey = image.Gray{Pix: f.Planes[0], Stride: f.Strides[0], Rect: r}
		return &e.grey
	}
	if f.Format == frame.YUV420 && f.Strides[1] == f.Strides[2] {
		e.ycc = image.YCbCr{
			Y: f.Planes[0], Cb: f.Planes[1], Cr: f.Planes[2], YStride: f.Strides[0], CStride: f.Strides[1],
			SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: r,
		}
		return &e.ycc
	}
	switch f.Format {
	case frame.RGB, frame.BGR, frame.RGBA:
		return e.packed(f, r)
	}
	return e.planar(f, r)
}

func (e *Encoder) scratch(n int) []byte {
	if cap(e.buf) < n {
		e.buf = make([]byte, n)
	}
	return e.buf[:n]
}

func (e *Encoder) packed(f *frame.Frame, r image.Rectangle) image.Image {
	e.rgba = image.RGBA{Pix: e.scratch(4 * f.Width * f.Height), Stride: 4 * f.Width, Rect: r}
	size, red, blue := 3, 0, 2
	if f.Format == frame.RGBA {
		size = 4
	}
	if f.Format == frame.BGR {
		red, blue = 2, 0
	}
	for y := range f.Height {
		src, dst := f.Planes[0][y*f.Strides[0]:], e.rgba.Pix[y*e.rgba.Stride:]
		for x := range f.Width {
			s, d := src[size*x:size*x+3], dst[4*x:4*x+4]
			d[0], d[1], d[2], d[3] = s[red], s[1], s[blue], 255
		}
	}
	return &e.rgba
}

func (e *Encoder) planar(f *frame.Frame, r image.Rectangle) image.Image {
	w, h := f.Width, f.Height
	cw, ch := (w+1)/2, (h+1)/2
	buf := e.scratch(w*h + 2*cw*ch)
	m := &e.ycc
	*m = image.YCbCr{Y: buf[:w*h], Cb: buf[w*h:][:cw*ch], Cr: buf[w*h+cw*ch:], YStride: w, CStride: cw, SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: r}
	row := func(plane, y int) []byte { return f.Planes[plane][y*f.Strides[plane]:] }
	for y := range h {
		dst := m.Y[y*w:][:w]
		if f.Format != frame.YUYV {
			copy(dst, row(0, y))
			continue
		}
		src := row(0, y)
		for x := range dst {
			dst[x] = src[2*x]
		}
	}
	mean := func(a, b byte) byte { return byte((int(a) + int(b) + 1) / 2) }
	for y := range ch {
		cb, cr := m.Cb[y*cw:][:cw], m.Cr[y*cw:][:cw]
		next := min(2*y+1, h-1)
		for x := range cw {
			switch f.Format {
			case frame.YUV420:
				cb[x], cr[x] = row(1, y)[x], row(2, y)[x]
			case frame.NV12:
				cb[x], cr[x] = row(1, y)[2*x], row(1, y)[2*x+1]
			case frame.NV21:
				cr[x], cb[x] = row(1, y)[2*x], row(1, y)[2*x+1]
			case frame.YUV422:
				cb[x], cr[x] = mean(row(1, 2*y)[x], row(1, next)[x]), mean(row(2, 2*y)[x], row(2, next)[x])
			case frame.YUYV:
				cb[x], cr[x] = mean(row(0, 2*y)[4*x+1], row(0, next)[4*x+1]), mean(row(0, 2*y)[4*x+3], row(0, next)[4*x+3])
			}
		}
	}
	return m
}

// jfif is SOI and the JFIF segment, which image/jpeg omits and some decoders require: version 1.1, square pixels, no thumbnail.
var jfif = []byte{0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0}

// fixedWriter writes to dst, inserting a JFIF segment after the first two bytes, which are SOI.
type fixedWriter struct {
	dst     []byte
	n, seen int
}

func (w *fixedWriter) put(p []byte) error {
	if len(p) > len(w.dst)-w.n {
		return frame.ErrTooLarge
	}
	w.n += copy(w.dst[w.n:], p)
	return nil
}

func (w *fixedWriter) Write(p []byte) (int, error) {
	rest := p
	if w.seen < 2 {
		skip := min(2-w.seen, len(p))
		w.seen += skip
		rest = p[skip:]
		if w.seen == 2 {
			if err := w.put(jfif); err != nil {
				return 0, err
			}
		}
	}
	if err := w.put(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}
