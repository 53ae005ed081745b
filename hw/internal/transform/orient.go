package transform

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// CheckRotate returns an error unless degrees is 0, 90, 180 or 270.
func CheckRotate(degrees int) error {
	switch degrees {
	case 0, 90, 180, 270:
		return nil
	}
	return fmt.Errorf("rotate by %d degrees: must be 0, 90, 180 or 270", degrees)
}

// Size returns the size of a width x height picture after rotation by degrees.
func Size(width, height, degrees int) (int, int) {
	if degrees == 90 || degrees == 270 {
		return height, width
	}
	return width, height
}

// Orient writes src, mirrored left to right, then flipped top to bottom, then rotated clockwise by 0, 90, 180 or 270 degrees, into dst.
// dst must have src's format and Size's size, and share no memory with src, which must be mapped.
//
// Rotating 4:2:2 by 90 degrees needs new chroma samples: each is the mean of two rows.
func Orient(dst, src *frame.Frame, mirror, flip bool, degrees int) error {
	if err := CheckRotate(degrees); err != nil {
		return fmt.Errorf("transform: %w", err)
	}
	if err := src.Check(); err != nil {
		return fmt.Errorf("transform: %w", err)
	}
	if err := dst.Check(); err != nil {
		return fmt.Errorf("transform: %w", err)
	}
	if w, h := Size(src.Width, src.Height, degrees); dst.Width != w || dst.Height != h || dst.Format != src.Format {
		return fmt.Errorf("transform: turn %s %dx%d by %d degrees: destination is %s %dx%d", src.Format, src.Width, src.Height, degrees, dst.Format, dst.Width, dst.Height)
	}
	// Every combination is at most a transposition, then a mirror and a flip: 90 degrees are the mirrored transposition.
	t := turn{}
	switch degrees {
	case 0:
		t = turn{false, mirror, flip}
	case 180:
		t = turn{false, !mirror, !flip}
	case 90:
		t = turn{true, !flip, mirror}
	case 270:
		t = turn{true, flip, !mirror}
	}
	switch {
	case src.Format == frame.YUYV && (t.mirror || t.transpose):
		t.yuyv(dst, src)
	case src.Format == frame.YUV422 && t.transpose:
		t.plane(dst, src, 0, 1)
		t.chroma422(dst, src, 1)
		t.chroma422(dst, src, 2)
	default:
		for i := range src.Format.Planes() {
			t.plane(dst, src, i, sampleBytes(src.Format, i))
		}
	}
	return nil
}

// turn is a transposition, then a mirror, then a flip.
type turn struct{ transpose, mirror, flip bool }

// sampleBytes returns how many bytes of a plane move together.
func sampleBytes(f frame.Format, plane int) int {
	switch f {
	case frame.RGB, frame.BGR:
		return 3
	case frame.RGBA:
		return 4
	case frame.NV12, frame.NV21:
		return plane + 1
	}
	return 1
}

// from returns the source offset of the first sample in row y of the result (w x h samples), and the step to the next.
func (t turn) from(y, w, h, stride, size int) (start, step int) {
	if t.flip {
		y = h - 1 - y
	}
	x := 0
	if t.mirror {
		x = w - 1
	}
	if t.transpose {
		start, step = x*stride+y*size, stride
	} else {
		start, step = y*stride+x*size, size
	}
	if t.mirror {
		step = -step
	}
	return start, step
}

// tile is the side in samples of the squares in which a plane is transposed: its rows are read as columns, and a whole plane's exceed the cache.
const tile = 64

func (t turn) plane(dst, src *frame.Frame, i, size int) {
	rowBytes, h := dst.Format.PlaneSize(i, dst.Width, dst.Height)
	w := rowBytes / size // packed 4:2:2 is copied in whole rows, as samples of one byte
	in, stride := src.Planes[i], src.Strides[i]
	columns, rows := w, h
	if t.transpose {
		columns, rows = tile, tile
	}
	for top := 0; top < h; top += rows {
		for left := 0; left < w; left += columns {
			right := min(left+columns, w)
			for y := top; y < min(top+rows, h); y++ {
				start, step := t.from(y, w, h, stride, size)
				pick(dst.Planes[i][y*dst.Strides[i]:][left*size:right*size], in, start+left*step, step, size)
			}
		}
	}
}

// pick fills out with samples of size bytes from in, the first at start, the others step bytes apart.
func pick(out, in []byte, start, step, size int) {
	switch {
	case step == size:
		copy(out, in[start:])
	case size == 1 && step == -1:
		in = in[start+1-len(out):][:len(out)]
		for x := range out {
			out[x] = in[len(in)-1-x]
		}
	case size == 1:
		for x := range out {
			out[x] = in[start]
			start += step
		}
	case size == 2:
		for x := 0; x+1 < len(out); x += 2 {
			pair := in[start : start+2]
			out[x], out[x+1] = pair[0], pair[1]
			start += step
		}
	default:
		for x := 0; x < len(out); x += size {
			copy(out[x:x+size], in[start:start+size])
			start += step
		}
	}
}

// chroma422 rotates a planar 4:2:2 chroma plane by 90 or 270 degrees: what were rows are halved, what were columns doubled.
func (t turn) chroma422(dst, src *frame.Frame, i int) {
	w, h := dst.Width, dst.Height // of luma
	for y := range h {
		out := dst.Planes[i][y*dst.Strides[i]:]
		for cx := range (w + 1) / 2 {
			a, b := t.at(2*cx, y, w, h), t.at(min(2*cx+1, w-1), y, w, h)
			va := src.Planes[i][a.y*src.Strides[i]+a.x/2]
			vb := src.Planes[i][b.y*src.Strides[i]+b.x/2]
			out[cx] = uint8((int(va) + int(vb) + 1) / 2)
		}
	}
}

type point struct{ x, y int }

// at returns the source position of pixel x, y of the result (w x h).
func (t turn) at(x, y, w, h int) point {
	if t.mirror {
		x = w - 1 - x
	}
	if t.flip {
		y = h - 1 - y
	}
	if t.transpose {
		x, y = y, x
	}
	return point{x, y}
}

func (t turn) yuyv(dst, src *frame.Frame) {
	w, h := dst.Width, dst.Height
	in, stride := src.Planes[0], src.Strides[0]
	for y := range h {
		out := dst.Planes[0][y*dst.Strides[0]:]
		for cx := range (w + 1) / 2 {
			a, b := t.at(2*cx, y, w, h), t.at(min(2*cx+1, w-1), y, w, h)
			pa, pb := in[a.y*stride:], in[b.y*stride:]
			o := out[4*cx : 4*cx+4]
			o[0], o[2] = pa[2*a.x], pb[2*b.x]
			o[1] = uint8((int(pa[a.x/2*4+1]) + int(pb[b.x/2*4+1]) + 1) / 2)
			o[3] = uint8((int(pa[a.x/2*4+3]) + int(pb[b.x/2*4+3]) + 1) / 2)
		}
	}
}
