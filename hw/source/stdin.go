package source

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/h264"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/stdin"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/sniff"
)

const (
	standardInput = "standard input"
	// headWithin is how long Open waits for the first bytes. A stream that begins later is assumed to be MJPEG, and reopened if it turns out not to be.
	headWithin = time.Second
	// headEnough is how many bytes identify the format.
	headEnough = 9
)

// inputIsH264 is set once standard input was H.264: if reopened, it may continue in the middle of a unit, whose bytes identify nothing.
var inputIsH264 atomic.Bool

// openStdin opens standard input in the format that its first bytes indicate.
func openStdin(o Options) (frame.Source, error) {
	in, err := stdin.Open()
	if err != nil {
		return nil, err
	}
	var src frame.Source
	head := in.Head(headEnough, headWithin)
	switch kind := sniff.Name(head); {
	case kind == "Y4M":
		if src, err = opened(y4m.NewStream(in, standardInput, o.FPS)); err != nil {
			err = &refused{err}
		}
	case kind == "H.264" || inputIsH264.Load():
		inputIsH264.Store(true)
		src, err = opened(h264.NewStream(in, standardInput, "stdin", h264.Config{FPS: o.FPS}))
	default:
		src, err = opened(mjpeg.NewStream(&lateInput{Input: in}, standardInput, "stdin", mjpeg.Config{FPS: o.FPS, Warn: o.Warn}))
	}
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return src, nil
}

// lateInput is standard input that may have been silent when it was opened, or begins in the middle of a stream.
type lateInput struct {
	*stdin.Input
	head    []byte // the first bytes, up to sniff.Enough
	settled bool   // it is MJPEG, or something that is refused by its name
	err     error  // it is to be opened again
}

// Read implements io.Reader. If the stream is not MJPEG after all, it is put back from where it can be read, and the error wraps frame.ErrReopen.
func (in *lateInput) Read(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.Input.Read(p)
	if n > 0 && !in.settled {
		if kind, at := in.other(p[:n]); kind != "" {
			in.Return(p[at:n])
			in.err = fmt.Errorf("%w: this is %s", frame.ErrReopen, kind)
			return 0, in.err
		}
	}
	return n, err
}

// other recognises another supported format by the newest bytes, and returns where in them it begins.
func (in *lateInput) other(b []byte) (kind string, at int) {
	if len(in.head) == 0 {
		if kind := sniff.Name(b); kind == "Y4M" || kind == "H.264" {
			return kind, 0
		}
	}
	in.head = append(in.head, b[:min(len(b), sniff.Enough-len(in.head))]...)
	name := sniff.Name(in.head)
	switch {
	case jpegcheck.Find(b) >= 0:
		in.settled = true
	case len(in.head) < sniff.Enough:
	case name != "" && name != "H.264": // such as a transport stream, which may contain H.264
		in.settled = true
	default:
		if at := parameterSet(b); at >= 0 {
			return "H.264", at
		}
	}
	return "", 0
}

// parameterSet returns where an H.264 sequence parameter set in Annex B's form begins, or -1.
func parameterSet(b []byte) int {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte{0, 0, 1})
		if at += i; i < 0 || at+5 > len(b) {
			return -1
		}
		if unit := b[at+3]; unit&0x9f == 7 && unit != 7 {
			switch b[at+4] { // profile
			case 66, 77, 88, 100:
				return at
			}
		}
	}
}

// refused is a permanent error that is a frame.ErrUnsupported but keeps the cause's text.
type refused struct{ error }

// Is reports whether target is frame.ErrUnsupported.
func (r *refused) Is(target error) bool { return target == frame.ErrUnsupported }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.error }
