package frame

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that a source's reads wrap, so that the pipeline knows what to do.
var (
	// ErrEnd: the source has come to its end in order (a file that is not looped, standard input closed).
	ErrEnd = errors.New("source ended")
	// ErrGone: the device or file disappeared or stopped delivering; opening it again later may help.
	ErrGone = errors.New("source gone")
	// ErrStuck: what drives the device never came back; it can be had again, if at all, by another process.
	ErrStuck = errors.New("driver hung; restart required")
	// ErrNoPicture: the source has come to its end, or holds what is no picture, without one that could be shown.
	ErrNoPicture = errors.New("ended without a single picture")
	// ErrBadPicture: this picture was broken and was dropped; the next read may succeed.
	ErrBadPicture = errors.New("broken picture dropped")
	// ErrTooLarge: a JPEG did not fit into the destination and was dropped.
	ErrTooLarge = errors.New("picture too large for its buffer")
	// ErrUnsupported: not on this platform, or the device cannot do it.
	ErrUnsupported = errors.New("not supported")
)

// Info describes an open source.
type Info struct {
	Name    string // as a person would call it: "testcard", "gc4653", "/dev/video0 (HD Webcam)"
	Kind    string // "camera", "testcard", "files", "mjpeg", "avi", "y4m", "h264", "stdin", "v4l2"
	Width   int    // of the pictures it delivers now, in pixels
	Height  int
	FPS     float64 // what it delivers at most now; 0 when it is not known
	Encoder string  // for a JPEGSource: who made the JPEG: "hardware (VENC)", "pass-through"; else ""
	Note    string  // what a person should know of it, such as a rate that was guessed; "": nothing
	Sizes   []Size  // sizes that it really has, for a choice in the page; nil when any size goes
}

// Size is a picture's width and height in pixels.
type Size struct {
	Width  int
	Height int
}

// Source is an open source of pictures: a RawSource, a JPEGSource or a VideoSource. One goroutine reads; Info and Close may come from any.
// Close ends a read that waits, and may be called twice.
type Source interface {
	// Info describes what the source delivers at this moment; it is cheap.
	Info() Info
	// Close gives everything back and joins what the source started.
	Close() error
}

// RawSource delivers raw frames.
type RawSource interface {
	Source
	// ReadFrame waits for the next picture and fills f (what f held before must have been released). It returns
	// ctx's error when that ends first, or one of this package's errors, wrapped. At its steady state it does not allocate.
	ReadFrame(ctx context.Context, f *Frame) error
}

// JPEGSource delivers pictures that are JPEG already: hardware-encoded, or passed through and checked.
type JPEGSource interface {
	Source
	// ReadJPEG waits for the next picture and writes it into dst, which is not Go memory as a rule (a slot of a ring) and
	// is not kept. It returns what the picture is; p.Size bytes of dst are written. Errors as ReadFrame's.
	ReadJPEG(ctx context.Context, dst []byte, p *Picture) error
}

// Picture describes one JPEG.
type Picture struct {
	Size          int       // bytes
	Width, Height int       // pixels
	Quality       int       // 1..100, or 0 when it is not known (pass-through)
	Captured      time.Time // as Frame.Captured
	Sequence      uint64    // as Frame.Sequence
	// Substitute marks a picture that says "no signal" in place of the camera's: shown to viewers, never recorded or pushed.
	Substitute bool
}

// TooLargeError is a JPEG that did not fit into the destination and was dropped. It wraps ErrTooLarge.
type TooLargeError struct {
	Size, Limit   int // bytes
	Width, Height int // of the picture in pixels
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("frame of %.1f MB (%dx%d) exceeds the limit of %.1f MB", float64(e.Size)/1e6, e.Width, e.Height, float64(e.Limit)/1e6)
}

// Unwrap returns ErrTooLarge.
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// Dropper is a live source that leaves broken pictures out by itself, so that the next good one is not late. It may be called from any goroutine.
type Dropper interface {
	// Dropped returns how many pictures were left out because they were broken, and why the newest was. They have no number in the sequence.
	Dropped() (count uint64, newest error)
}

// What a source may offer beyond reading. Each takes effect from one of the next pictures on, is called from any goroutine, and
// returns ErrUnsupported, wrapped, when the device cannot.
type (
	// QualitySetter is a JPEGSource whose encoder's quality can be changed. It returns the quality really used, which may be a
	// neighbour of the one asked for (the SG2002 has no 50 and no 100).
	QualitySetter interface {
		SetQuality(quality int) (used int, err error)
	}
	// RateSetter is a source that can be told its frame rate, so that no picture is made for nothing.
	RateSetter interface{ SetFPS(fps float64) error }
	// ModeSetter is a source that runs in the mode that suits best what is wanted at most, and can change it while it runs, with a short break in its
	// pictures. SetMode makes it fit for width x height pixels at fps frames a second, and returns the rate that it is fit for, which may be less. SetFPS
	// and Resize are still to be told. One that the device turns out to lack is an error that wraps ErrUnsupported, and the source runs on as it did.
	ModeSetter interface {
		SetMode(width, height int, fps float64) (used float64, err error)
	}
	// Resizer is a source whose picture size can be changed while it runs.
	Resizer interface{ Resize(width, height int) error }
	// Orienter is a source that mirrors (left to right) and flips (top to bottom) by itself.
	Orienter interface{ SetOrientation(mirror, flip bool) error }
	// Overlayer is a JPEGSource that can write text over its pictures before they are encoded.
	Overlayer interface{ SetOverlay(text string) error }
	// Stiller is a source that can take single pictures of a size of their own, StillSize pixels, beside those that it delivers. Still is
	// as JPEGSource's ReadJPEG, may be called while another goroutine reads, and gives an error that wraps ErrUnsupported if the source
	// was opened without.
	Stiller interface {
		Still(ctx context.Context, dst []byte, p *Picture) error
		StillSize() Size
	}
)
