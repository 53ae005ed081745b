package source

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/h264"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/stdin"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
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

// lateInput is standard input that may have been silent when it was opened.
type lateInput struct {
	*stdin.Input
	begun bool
}

// Read implements io.Reader. If the stream is not MJPEG after all, its beginning is put back, and the error wraps frame.ErrReopen.
func (in *lateInput) Read(p []byte) (int, error) {
	n, err := in.Input.Read(p)
	if n > 0 && !in.begun {
		in.begun = true
		if kind := sniff.Name(p[:n]); kind == "Y4M" || kind == "H.264" {
			in.Return(p[:n])
			return 0, fmt.Errorf("%w: this is %s", frame.ErrReopen, kind)
		}
	}
	return n, err
}

// refused is a permanent error that is a frame.ErrUnsupported but keeps the cause's text.
type refused struct{ error }

// Is reports whether target is frame.ErrUnsupported.
func (r *refused) Is(target error) bool { return target == frame.ErrUnsupported }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.error }
