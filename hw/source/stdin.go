package source

import (
	"fmt"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/stdin"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
	"github.com/maixstream/maixstream/internal/sniff"
)

const (
	standardInput = "standard input"
	// headWithin is how long Open waits for the first bytes. What comes later is MJPEG unless it says otherwise, and is then opened again as what it is.
	headWithin = time.Second
	// headEnough is how many bytes tell a stream that becomes raw frames from one that has JPEGs.
	headEnough = 9
)

// openStdin opens what another program writes, by its first bytes: raw frames, or pictures that are passed through.
func openStdin(o Options) (frame.Source, error) {
	in, err := stdin.Open()
	if err != nil {
		return nil, err
	}
	var src frame.Source
	if becomesRaw(in.Head(headEnough, headWithin)) {
		if src, err = opened(y4m.NewStream(in, standardInput, o.FPS)); err != nil {
			err = &refused{err}
		}
	} else {
		src, err = opened(mjpeg.NewStream(&lateInput{Input: in}, standardInput, "stdin", mjpeg.Config{FPS: o.FPS, Warn: o.Warn}))
	}
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return src, nil
}

// becomesRaw says that what begins so is a source of raw frames.
func becomesRaw(head []byte) bool { return sniff.Name(head) == "Y4M" }

// lateInput is standard input on which nothing had come when it was opened.
type lateInput struct {
	*stdin.Input
	begun bool
}

// Read implements io.Reader. The beginning of raw frames is given back, to be opened as such.
func (in *lateInput) Read(p []byte) (int, error) {
	n, err := in.Input.Read(p)
	if n > 0 && !in.begun {
		in.begun = true
		if becomesRaw(p[:n]) {
			in.Return(p[:n])
			return 0, fmt.Errorf("%w: this is %s, which is opened again", frame.ErrGone, sniff.Name(p[:n]))
		}
	}
	return n, err
}

// refused is a stream that cannot be read and will not change: a frame.ErrUnsupported, whose own words would add nothing.
type refused struct{ error }

// Is says so.
func (r *refused) Is(target error) bool { return target == frame.ErrUnsupported }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.error }
