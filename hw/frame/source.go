package frame

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that a source's reads wrap, so that the pipeline can tell them apart.
var (
	// ErrEnd: the source has reached its regular end (a file that is not looped, standard input closed).
	ErrEnd = errors.New("source ended")
	// ErrGone: the device or file disappeared or stopped delivering; opening it again later may help.
	ErrGone = errors.New("source gone")
	// ErrReopen: the source is of another kind than it seemed: open it again at once.
	ErrReopen = errors.New("to be opened again")
	// ErrStuck: the driver does not return; only another process may get the device back, if at all.
	ErrStuck = errors.New("driver hung; restart required")
	// ErrNoPicture: the source ended, or contains something other than pictures, before it delivered one.
	ErrNoPicture = errors.New("ended without a single picture")
	// ErrBadPicture: this picture was broken and was dropped; the next read may succeed.
	ErrBadPicture = errors.New("broken picture dropped")
	// ErrTooLarge: a JPEG did not fit into the destination and was dropped.
	ErrTooLarge = errors.New("picture too large for its buffer")
	// ErrUnsupported: not available on this platform, or the device cannot do it.
	ErrUnsupported = errors.New("not supported")
)

// Info describes an open source.
type Info struct {
	Name    string // human-readable: "testcard", "gc4653", "/dev/video0 (HD Webcam)"
	Kind    string // "camera", "testcard", "files", "mjpeg", "avi", "y4m", "h264", "stdin", "v4l2"
	Width   int    // of the pictures it delivers now, in pixels
	Height  int
	FPS     float64 // the highest rate that it delivers now; 0 if unknown
	Encoder string  // for a JPEGSource: who made the JPEG: "hardware (VENC)", "pass-through"; else ""
	Note    string  // what a person should know about it, such as a guessed rate; "": nothing
	Sizes   []Size  // the sizes that it can deliver, for the page's list; nil if any
}

// Size is a picture's width and height in pixels.
type Size struct {
	Width  int
	Height int
}

// Source is an open source of pictures: a RawSource, a JPEGSource or a VideoSource. One goroutine reads; Info and Close are safe for concurrent use.
// Close interrupts a pending read and may be called twice.
type Source interface {
	// Info describes what the source delivers at this moment; it is cheap.
	Info() Info
	// Close releases all resources and waits for the source's goroutines.
	Close() error
}

// RawSource delivers raw frames.
type RawSource interface {
	Source
	// ReadFrame waits for the next picture and stores it in f (whose previous content must have been released). It returns
	// ctx's error if ctx is done first, or an error that wraps one of this package's. In the steady state it does not allocate.
	ReadFrame(ctx context.Context, f *Frame) error
}

// JPEGSource delivers pictures that are already JPEG: hardware-encoded, or passed through and checked.
type JPEGSource interface {
	Source
	// ReadJPEG waits for the next picture and writes it to dst, which usually is not Go memory (a slot of a ring) and
	// is not retained. It describes the picture in p; p.Size bytes of dst are written. Errors are those of RawSource.ReadFrame.
	ReadJPEG(ctx context.Context, dst []byte, p *Picture) error
}

// Picture describes one JPEG.
type Picture struct {
	Size          int       // bytes
	Width, Height int       // pixels
	Quality       int       // 1..100, or 0 if unknown (pass-through)
	Captured      time.Time // as Frame.Captured
	Sequence      uint64    // as Frame.Sequence
	// Substitute marks the "no signal" picture shown in place of the camera's: viewers get it, recordings and pushes do not.
	Substitute bool
}

// TooLargeError reports a JPEG that did not fit the destination and was dropped. It wraps ErrTooLarge.
type TooLargeError struct {
	Size, Limit   int // bytes
	Width, Height int // of the picture in pixels
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("frame of %.1f MB (%dx%d) exceeds the limit of %.1f MB", float64(e.Size)/1e6, e.Width, e.Height, float64(e.Limit)/1e6)
}

// Unwrap returns ErrTooLarge.
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// BusyError reports that a source's server is there, but asks to be left alone for a while. It wraps ErrGone.
type BusyError struct {
	Status string        // as the server said it
	Wait   time.Duration // already limited
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the server replied %s, and asks to wait %v", e.Status, e.Wait.Round(time.Second))
}

// Unwrap returns ErrGone.
func (e *BusyError) Unwrap() error { return ErrGone }

// Dropper is a live source that drops broken pictures itself, so that the next good one is not delayed. Its method is safe for concurrent use.
type Dropper interface {
	// Dropped returns how many broken pictures were dropped, and why the newest was. They have no sequence number.
	Dropped() (count uint64, newest error)
}

// LiveSource is a source whose sender alone determines when pictures come; the rate in Info is only a limit. Its method is safe for concurrent use.
type LiveSource interface {
	Source
	// Interval returns the longest of the sender's recent times between two pictures; 0 until enough have arrived.
	Interval() time.Duration
}

// Optional capabilities of a source. Each takes effect within a few pictures, is safe for concurrent use, and
// returns an error that wraps ErrUnsupported if the device lacks it.
type (
	// QualitySetter is a JPEGSource whose encoder's quality can be changed. SetQuality returns the quality in effect, which may be
	// a neighbouring one (the SG2002 has no 50 and no 100).
	QualitySetter interface {
		SetQuality(quality int) (used int, err error)
	}
	// RateSetter is a source whose frame rate can be set, so that no picture is made in vain.
	RateSetter interface{ SetFPS(fps float64) error }
	// ModeSetter is a source that picks the sensor mode that best fits what is wanted, and can change it while it runs, with a short break in its
	// pictures. SetMode picks the mode for width x height pixels at fps frames per second and returns the rate that the mode allows, which may be lower. SetFPS
	// and Resize must still be called. If the device turns out to lack the mode, the error wraps ErrUnsupported and the source continues unchanged.
	ModeSetter interface {
		SetMode(width, height int, fps float64) (used float64, err error)
	}
	// Resizer is a source whose picture size can be changed while it runs.
	Resizer interface{ Resize(width, height int) error }
	// Orienter is a source that can mirror (left to right) and flip (top to bottom) its pictures.
	Orienter interface{ SetOrientation(mirror, flip bool) error }
	// Overlayer is a JPEGSource that can draw text on its pictures before they are encoded.
	Overlayer interface{ SetOverlay(text string) error }
	// Stiller is a source that can take single pictures of another size, StillSize pixels, without interrupting its stream. Still
	// is like JPEGSource.ReadJPEG, may be called during a read, and returns an error that wraps ErrUnsupported if the source
	// was opened without this.
	Stiller interface {
		Still(ctx context.Context, dst []byte, p *Picture) error
		StillSize() Size
	}
	// StillOpener is a source that pauses its stream to take larger pictures, of StillSize pixels. OpenStill returns another source of the same camera, a
	// RawSource or JPEGSource; closing it resumes the stream, whose reads and controls wait meanwhile. The error wraps
	// ErrUnsupported if the source was opened without this. Only one exists at a time: another call waits until it is closed.
	StillOpener interface {
		OpenStill(ctx context.Context) (Source, error)
		StillSize() Size
	}
)
