package transform

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// magnifier scales a part of a frame to the full size, bilinearly.
type magnifier struct {
	own        *frame.Frame
	x, y, w, h int         // the part for which components were computed
	components []component // nil: not computed yet
}

// component is a grid of samples, and the source position of each row and column of the result.
type component struct {
	grid
	across, down axis
}

// axis maps each sample of the result to the two source samples around it, with the second one's weight in 256ths.
type axis struct {
	first  []int32
	weight []int32
}

// newAxis maps whole samples onto the part samples that begin at from.
func newAxis(from, part, whole int) axis {
	a := axis{first: make([]int32, whole), weight: make([]int32, whole)}
	for i := range whole {
		// Sample centres correspond: (i + ½) / whole of the part.
		at := (int64(2*i+1)*int64(part)*128)/int64(whole) - 128 // in 256ths of a sample, from the part's beginning
		at = max(0, min(at, int64(part-1)*256))
		first := min(int64(from)+at>>8, int64(whole-1))
		a.first[i], a.weight[i] = int32(first), int32(at&255)
		if first+1 >= int64(whole) {
			a.weight[i] = 0
		}
	}
	return a
}

// grid is a component of a frame: samples of a plane, step bytes apart.
type grid struct{ plane, offset, step, w, h int }

// grids lists a format's components.
func grids(f frame.Format, w, h int) []grid {
	halfW, halfH := (w+1)/2, (h+1)/2
	switch f {
	case frame.YUV420:
		return []grid{{0, 0, 1, w, h}, {1, 0, 1, halfW, halfH}, {2, 0, 1, halfW, halfH}}
	case frame.YUV422:
		return []grid{{0, 0, 1, w, h}, {1, 0, 1, halfW, h}, {2, 0, 1, halfW, h}}
	case frame.NV12, frame.NV21:
		return []grid{{0, 0, 1, w, h}, {1, 0, 2, halfW, halfH}, {1, 1, 2, halfW, halfH}}
	case frame.YUYV:
		return []grid{{0, 0, 2, w, h}, {0, 1, 4, halfW, h}, {0, 3, 4, halfW, h}}
	case frame.RGB, frame.BGR:
		return []grid{{0, 0, 3, w, h}, {0, 1, 3, w, h}, {0, 2, 3, w, h}}
	case frame.RGBA:
		return []grid{{0, 0, 4, w, h}, {0, 1, 4, w, h}, {0, 2, 4, w, h}, {0, 3, 4, w, h}}
	}
	return []grid{{0, 0, 1, w, h}}
}

// apply returns the magnifier's own frame, of f's format and size, showing v of f. It is valid until the next call.
func (m *magnifier) apply(f *frame.Frame, v frame.View) (*frame.Frame, error) {
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	if m.own == nil || m.own.Format != f.Format || m.own.Width != f.Width || m.own.Height != f.Height {
		own, err := frame.Alloc(f.Format, f.Width, f.Height)
		if err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
		m.own, m.components = own, nil
	}
	if x, y, w, h := v.Crop(f.Width, f.Height); m.components == nil || x != m.x || y != m.y || w != m.w || h != m.h {
		m.x, m.y, m.w, m.h = x, y, w, h
		m.components = m.components[:0]
		for _, g := range grids(f.Format, f.Width, f.Height) {
			m.components = append(m.components, component{
				grid:   g,
				across: newAxis(x*g.w/f.Width, max(1, w*g.w/f.Width), g.w),
				down:   newAxis(y*g.h/f.Height, max(1, h*g.h/f.Height), g.h),
			})
		}
	}
	for i := range m.components {
		c := &m.components[i]
		c.magnify(m.own.Planes[c.plane], m.own.Strides[c.plane], f.Planes[c.plane], f.Strides[c.plane])
	}
	m.own.Captured, m.own.Sequence = f.Captured, f.Sequence
	return m.own, nil
}

func (c *component) magnify(dst []byte, dstStride int, src []byte, srcStride int) {
	step, across, down := c.step, &c.across, &c.down
	for row := range c.h {
		wy := down.weight[row]
		top := int(down.first[row])*srcStride + c.offset
		bottom := top
		if wy > 0 {
			bottom += srcStride
		}
		out := dst[row*dstStride+c.offset:]
		upper, lower := src[top:], src[bottom:]
		for i, first := range across.first {
			at := int(first) * step
			next := at
			wx := across.weight[i]
			if wx > 0 {
				next += step
			}
			a := int32(upper[at])*(256-wx) + int32(upper[next])*wx
			b := int32(lower[at])*(256-wx) + int32(lower[next])*wx
			out[i*step] = byte((a*(256-wy) + b*wy + 1<<15) >> 16)
		}
	}
}
