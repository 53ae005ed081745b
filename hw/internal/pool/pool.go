// Package pool keeps the buffers of frames that sources and decoders hand out, so that steady reading makes no garbage.
package pool

import (
	"errors"
	"sync/atomic"

	"github.com/maixstream/maixstream/hw/frame"
)

// kept is how many released buffers wait for their next use: more than any encoder pool has in flight.
const kept = 32

// Pool lends frames of one format and size. The zero Pool is not usable.
type Pool struct {
	format        frame.Format
	width, height int
	free          chan *buffer
}

// New makes an empty pool.
func New(format frame.Format, width, height int) (*Pool, error) {
	if _, err := frame.Alloc(format, 1, 1); err != nil {
		return nil, err
	}
	if err := frame.CheckSize(width, height); err != nil {
		return nil, err
	}
	return &Pool{format: format, width: width, height: height, free: make(chan *buffer, kept)}, nil
}

// Get fills f with a buffer of the pool: padded to whole 16x16 blocks, content undefined, writable until f's release. It allocates only while
// more frames are out than ever before.
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

// buffer is the owner of one frame.
type buffer struct {
	pool  *Pool
	frame frame.Frame
	out   atomic.Bool
}

var _ frame.Owner = (*buffer)(nil)

// ReleaseFrame implements frame.Owner. A copy of the frame that is released again does no harm.
func (b *buffer) ReleaseFrame(*frame.Frame) {
	if !b.out.CompareAndSwap(true, false) {
		return
	}
	select {
	case b.pool.free <- b:
	default: // the garbage collector's
	}
}
