// Package frame says what a raw frame, a source of frames and a JPEG encoder are. It is the bottom of the house: it
// imports nothing of the module, and everything that makes, changes or encodes pictures speaks in its terms.
package frame

import (
	"errors"
	"fmt"
	"time"
)

// Frame is one raw picture. Its pixels belong to whoever made it (Owner): they may be read, and where the maker says so
// written, until Release; never afterwards. A Frame is used by one goroutine at a time.
//
// A frame whose pixels live in memory that the CPU need not touch (a board's video buffer) has Planes that are nil and a
// Handle that its Owner's encoder understands; Map makes the planes appear.
type Frame struct {
	Format        Format
	Width, Height int // pixels of the picture, without padding

	// Planes holds Format.Planes() slices. Row y of plane i starts at Planes[i][y*Strides[i]]; only Format.PlaneSize bytes
	// of it are picture. nil while the frame is not mapped.
	Planes  [3][]byte
	Strides [3]int // bytes from a row to the next

	// Padded says that every plane has rows and columns up to the next whole 16x16 block behind the picture (stride
	// included), whose bytes may be written by an encoder: it then pads in place instead of copying the plane.
	Padded bool

	// Captured is when the picture was taken: the middle or end of the exposure as the source knows it. It carries the
	// monotonic clock.
	Captured time.Time
	// Sequence rises with each picture that the source took, also with those that nobody fetched: a gap is a loss.
	Sequence uint64

	// Owner takes the pixels back; nil when the garbage collector does.
	Owner Owner
	// Handle is the Owner's own name for the picture; 0 when it has none.
	Handle uintptr
}

// Owner owns the memory behind frames.
type Owner interface {
	// ReleaseFrame takes the pixels back. It is called once for each frame, from any goroutine, and does not block.
	ReleaseFrame(*Frame)
}

// Mapper is an Owner whose frames are not in the CPU's reach until they are mapped.
type Mapper interface {
	Owner
	// MapFrame makes Planes point at the pixels, readable and writable, until the frame is released; a second call does
	// nothing. It reports memory that cannot be mapped.
	MapFrame(*Frame) error
	// FlushFrame makes what the CPU wrote visible to the hardware.
	FlushFrame(*Frame) error
}

var errNoFrame = errors.New("frame: there is none (nil)")

// Release gives the pixels back to their owner. The planes are nil afterwards. It may be called twice.
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

// Map makes the pixels reachable for the CPU; it does nothing on a frame that already is.
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

// Flush makes what the CPU wrote into a mapped frame visible to the hardware that encodes it; on ordinary memory it does nothing.
func (f *Frame) Flush() error {
	if f == nil {
		return errNoFrame
	}
	if m, ok := f.Owner.(Mapper); ok && f.Planes[0] != nil {
		return m.FlushFrame(f)
	}
	return nil
}

// Check reports a frame whose format, size, strides or plane lengths do not fit together. An encoder calls it once a frame
// before it hands the planes to C.
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

// MaxDimension is the largest width and height that this module handles, in pixels. Baseline JPEG ends at 65535, the SG2002's encoder at 8192
// by its headers; 8192 keeps every size computation far inside 32 bits.
const MaxDimension = 8192

// ErrSize is the error behind each refused picture size.
var ErrSize = errors.New("picture size out of range")

// CheckSize reports a width or height outside of 1..MaxDimension; the error wraps ErrSize.
func CheckSize(width, height int) error {
	if width < 1 || height < 1 || width > MaxDimension || height > MaxDimension {
		return fmt.Errorf("frame: size %dx%d: %w (1x1 to %dx%d)", width, height, ErrSize, MaxDimension, MaxDimension)
	}
	return nil
}

// Alloc makes a frame in garbage-collected memory, its planes padded to whole 16x16 blocks (Padded) and zero.
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
