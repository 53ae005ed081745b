// Package frame defines raw frames, sources of frames, and encoders. It is the lowest layer: it
// imports nothing else of the module, and every package that makes, changes or encodes pictures uses its types.
package frame

import (
	"errors"
	"fmt"
	"time"
)

// Frame is one raw picture. Its pixels belong to its Owner: until Release they may be read, and written if the source's documentation
// allows it, but never afterwards. A Frame is not safe for concurrent use.
//
// A frame in memory that the CPU need not touch (a board's video buffer) has nil Planes and a
// Handle that its Owner's encoder understands; Map provides the planes.
type Frame struct {
	Format        Format
	Width, Height int // pixels of the picture, without padding

	// Planes holds Format.Planes() slices. Row y of plane i starts at Planes[i][y*Strides[i]]; only its first Format.PlaneSize bytes
	// belong to the picture. nil while the frame is not mapped.
	Planes  [3][]byte
	Strides [3]int // bytes from one row to the next

	// Padded means that every plane extends, in width and height, to the next whole 16x16 block beyond the picture (stride
	// included), and that an encoder may overwrite the bytes there: it then pads in place instead of copying the plane.
	Padded bool

	// Captured is when the picture was taken: the middle or end of its exposure, as far as the source knows. It has a
	// monotonic clock reading.
	Captured time.Time
	// Sequence increases with each picture that the source took, including those that nobody fetched: a gap is a loss.
	Sequence uint64

	// Owner reclaims the pixels; nil for garbage-collected memory.
	Owner Owner
	// Handle is the Owner's identifier of the picture; 0 if it has none.
	Handle uintptr
}

// Owner owns the memory behind frames.
type Owner interface {
	// ReleaseFrame reclaims the pixels. It is called once per frame, from any goroutine, and does not block.
	ReleaseFrame(*Frame)
}

// Mapper is an Owner whose frames must be mapped before the CPU can access them.
type Mapper interface {
	Owner
	// MapFrame makes Planes point to the pixels, readable and writable, until the frame is released. A second call does
	// nothing. It returns an error if the memory cannot be mapped.
	MapFrame(*Frame) error
	// FlushFrame makes the CPU's writes visible to the hardware.
	FlushFrame(*Frame) error
}

// errNoFrame is the error of a nil frame.
var errNoFrame = errors.New("frame: there is none (nil)")

// Release returns the pixels to their owner and sets the planes to nil. It may be called twice.
func (f *Frame) Release() {
	if f == nil {
		return
	}
	owner := f.Owner
	f.Owner = nil
	if owner != nil {
		owner.ReleaseFrame(f)
	}
	f.Planes = [3][]byte{}
	f.Handle = 0
}

// Map makes the pixels accessible to the CPU. It does nothing if they already are.
func (f *Frame) Map() error {
	if f == nil {
		return errNoFrame
	}
	if f.Planes[0] != nil {
		return nil
	}
	if m, ok := f.Owner.(Mapper); ok {
		return m.MapFrame(f)
	}
	return errors.New("frame: map: the frame has no pixels (released?)")
}

// Flush makes the CPU's writes to a mapped frame visible to the hardware that encodes it; on ordinary memory it does nothing.
func (f *Frame) Flush() error {
	if f == nil {
		return errNoFrame
	}
	if m, ok := f.Owner.(Mapper); ok && f.Planes[0] != nil {
		return m.FlushFrame(f)
	}
	return nil
}

// Check returns an error if format, size, strides or plane lengths are inconsistent. An encoder calls it once per frame
// before it passes the planes to C.
func (f *Frame) Check() error {
	if f == nil {
		return errNoFrame
	}
	n := f.Format.Planes()
	if n == 0 {
		return fmt.Errorf("frame: unknown pixel format %d", f.Format)
	}
	if err := CheckSize(f.Width, f.Height); err != nil {
		return err
	}
	for i := range n {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		if f.Strides[i] < rowBytes {
			return fmt.Errorf("frame: %s %dx%d: plane %d has stride %d, needs at least %d", f.Format, f.Width, f.Height, i, f.Strides[i], rowBytes)
		}
		if need := (rows-1)*f.Strides[i] + rowBytes; len(f.Planes[i]) < need {
			return fmt.Errorf("frame: %s %dx%d: plane %d has %d bytes, needs %d", f.Format, f.Width, f.Height, i, len(f.Planes[i]), need)
		}
	}
	return nil
}

// MaxDimension is the largest width and height that this module handles, in pixels. Baseline JPEG allows 65535, the SG2002's encoder 8192
// according to its headers; 8192 keeps every size computation well within 32 bits.
const MaxDimension = 8192

// ErrSize is wrapped by the error for every refused picture size.
var ErrSize = errors.New("picture size out of range")

// CheckSize returns an error that wraps ErrSize for a width or height outside of 1..MaxDimension.
func CheckSize(width, height int) error {
	if width < 1 || height < 1 || width > MaxDimension || height > MaxDimension {
		return fmt.Errorf("frame: size %dx%d: %w (1x1 to %dx%d)", width, height, ErrSize, MaxDimension, MaxDimension)
	}
	return nil
}

// Alloc allocates a zeroed frame in garbage-collected memory, its planes padded to whole 16x16 blocks (Padded).
func Alloc(format Format, width, height int) (*Frame, error) {
	if err := CheckSize(width, height); err != nil {
		return nil, err
	}
	f := &Frame{Format: format, Width: width, Height: height, Padded: true}
	padW, padH := (width+15)&^15, (height+15)&^15
	for i := range format.Planes() {
		rowBytes, rows := format.PlaneSize(i, padW, padH)
		f.Strides[i] = rowBytes
		f.Planes[i] = make([]byte, rowBytes*rows)
	}
	if format.Planes() == 0 {
		return nil, fmt.Errorf("frame: unknown pixel format %d", format)
	}
	return f, nil
}
