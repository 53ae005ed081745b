// Package pool recycles the buffers of frames that sources and decoders hand out, so that steady reading does not allocate.
package pool

import (
	"errors"
	"sync/atomic"

	"github.com/maixstream/maixstream/hw/frame"
)

// kept is how many released buffers are kept for reuse: more than any encoder pool has in flight.
const kept = 32

// Pool provides frames of one format and size. The zero Pool is not usable.
type Pool struct {
	format        frame.Format
	width, height int
	free          chan *buffer
}

// New returns an empty pool.
func New(format frame.Format, width, height int) (*Pool, error) {
	if _, err := frame.Alloc(format, 1, 1); err != nil {
		return nil, err
	}
	if err := frame.CheckSize(width, height); err != nil {
		return nil, err
	}
	return &Pool{format: format, width: width, height: height, free: make(chan *buffer, kept)}, nil
}

// Get fills f with a buffer of the pool: padded to whole 16x16 blocks, content undefined, writable until f is released. It allocates only while
// more frames are in use than ever before.
func (p *Pool) Get(f *frame.Frame) error {
	if f == nil {
		return errors.New("read: no frame to fill")
	}
	var b *buffer
	select {
	case b = <-p.free:
	default:
		fresh, err := frame.Alloc(p.format, p.width, p.height)
		if err != nil {
			return err
		}
		b = &buffer{pool: p, frame: *fresh}
	}
	b.out.Store(true)
	*f = b.frame
	f.Owner = b
	return nil
}

// buffer owns a frame.
type buffer struct {
	pool  *Pool
	frame frame.Frame
	out   atomic.Bool
}

var _ frame.Owner = (*buffer)(nil)

// ReleaseFrame implements frame.Owner. Releasing a copy of the frame again is harmless.
func (b *buffer) ReleaseFrame(*frame.Frame) {
	if !b.out.CompareAndSwap(true, false) {
		return
	}
	select {
	case b.pool.free <- b:
	default: // leave it to the garbage collector
	}
}
