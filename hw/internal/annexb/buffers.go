package annexb

import (
	"bytes"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Buffers assembles access units from a device's buffers, each of which has a whole unit, or parameter sets for the next. It belongs to one goroutine.
type Buffers struct {
	assembler
	views   [][]byte
	running bool // a key frame was returned, and all units since
}

// Unit fills u with a buffer's contents, without copying: u's bytes are data's, and those of parameter sets valid until the next call. u has no NAL units
// if the buffer has no picture, or it cannot be decoded yet. Errors wrap frame.ErrBadPicture.
func (b *Buffers) Unit(data []byte, u *frame.AccessUnit) error {
	b.views, u.NALs = b.views[:0], u.NALs[:0]
	b.restart()
	at := bytes.Index(data, startCode)
	if at < 0 || len(bytes.TrimLeft(data[:at], "\x00")) > 0 {
		b.running = false
		return fmt.Errorf("the buffer does not begin with a start code (% x): %w", data[:min(len(data), 8)], frame.ErrBadPicture)
	}
	for at += len(startCode); at >= 0; {
		end, next := len(data), -1
		if i := bytes.Index(data[at:], startCode); i >= 0 {
			end, next = at+i, at+i+len(startCode)
		}
		nal := bytes.TrimRight(data[at:end], "\x00")
		at = next
		verdict, s := b.judge(nal, true)
		if verdict == nonsense || verdict == unclear {
			continue
		}
		if isSlice(nal[0]) {
			b.take(&s)
		}
		b.views = append(b.views, nal)
		b.keep(nal)
	}
	if !b.picture || !b.running && !b.first.idr {
		return nil
	}
	err := b.finish(u, b.views)
	b.running = err == nil
	return err
}

// Lost records that buffers are missing: units up to the next key frame are dropped.
func (b *Buffers) Lost() { b.running = false }
