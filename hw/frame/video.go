package frame

import (
	"context"
	"errors"
	"time"
)

// ErrVideo is wrapped by the errors of a VideoSource's own encoder that cannot work, or has stopped: the source's pictures continue, and SetVideo may be
// retried later. The error's text begins with what is missing.
var ErrVideo = errors.New("H.264")

// AccessUnit is one coded picture of an H.264 stream (ITU-T H.264 section 7.4.1.2), decodable together with the
// pictures since the last key frame.
type AccessUnit struct {
	// NALs holds the NAL units in coding order, without start codes. A key frame's slices follow their SPS and PPS, unless those
	// have not changed since the last key frame. The bytes belong to whoever filled the AccessUnit, until its next read or Close.
	NALs [][]byte
	// Key marks an IDR picture: a decoder can start here.
	Key bool
	// Captured and Sequence are the frame's, see Frame.
	Captured time.Time
	Sequence uint64
	// Shown is how much later than Captured the picture is to be shown, where pictures are coded in another order than they are shown in: B-frames. 0: at once.
	Shown time.Duration
}

// Size returns the total size of the NAL units in bytes.
func (u *AccessUnit) Size() (bytes int) {
	for _, n := range u.NALs {
		bytes += len(n)
	}
	return bytes
}

// VideoConfig configures a video encoder. Every field may be changed while it runs.
type VideoConfig struct {
	Bitrate int           // bits per second on average; the peak of a key frame is higher
	FPS     float64       // the frame rate on which rate control is based
	GOP     time.Duration // time from one key frame to the next
}

// VideoEncoder encodes raw frames as H.264 without reordering: a frame's unit is complete when Encode returns. It is not safe for
// concurrent use.
type VideoEncoder interface {
	// Name identifies the encoder: "OpenH264", "hardware (VENC)".
	Name() string
	// Encode encodes f into u, as a key frame if key is set or the picture's size has changed. u's bytes are valid until the
	// next Encode or Close. If the encoder skipped the frame, u has no NALs. f is read only and not retained.
	Encode(f *Frame, key bool, u *AccessUnit) error
	// Configure changes bitrate, frame rate and key frame interval, starting with the next frame.
	Configure(VideoConfig) error
	// Close frees the encoder. It may be called twice.
	Close() error
}

// VideoDecoder decodes H.264 to raw frames. It is not safe for concurrent use.
type VideoDecoder interface {
	// Name identifies the decoder: "OpenH264".
	Name() string
	// Decode decodes u, which must be a key frame or follow the previous unit, and stores the next picture in display order in f (whose previous content must have
	// been released): full range BT.601, with the Captured and Sequence of its own unit. ok is false if pictures are reordered and the
	// next one is not available yet. f may be written and stays valid until it is released, even after Close. Errors wrap ErrUnsupported for a kind of H.264 that cannot
	// be decoded, and ErrBadPicture for damaged data: continue with a key frame. A u without NALs is the stream's end: each call then stores another picture that was
	// held back, until ok is false. In the steady state Decode does not allocate. u is not retained.
	Decode(u *AccessUnit, f *Frame) (ok bool, err error)
	// Close frees the decoder. It may be called twice.
	Close() error
}

// VideoSource is a source that delivers H.264 itself. If it is a JPEGSource, too, both are read, each by one goroutine.
type VideoSource interface {
	Source
	// ReadUnit waits for the next access unit; u's bytes are valid until the next ReadUnit, whatever that returns. Errors are those of RawSource.ReadFrame.
	ReadUnit(ctx context.Context, u *AccessUnit) error
}

// Optional capabilities of a VideoSource. RequestKey is safe for concurrent use; ConfigureVideo and SetVideo must be called by the goroutine that reads units, and
// invalidate the last unit's bytes as ReadUnit does.
type (
	// KeyRequester makes the source send a key frame soon. The error wraps ErrUnsupported if the device cannot.
	KeyRequester interface{ RequestKey() error }
	// VideoConfigurer changes bitrate, frame rate and key frame interval; see VideoEncoder.Configure.
	VideoConfigurer interface{ ConfigureVideo(VideoConfig) error }
	// VideoSwitcher stops and starts the source's own H.264 encoder, which costs while it runs. It starts with a key frame. It is stopped at first, after an
	// error, and after a ReadUnit whose error wraps ErrVideo.
	VideoSwitcher interface{ SetVideo(on bool) error }
	// VideoChecker is a VideoSwitcher that can tell beforehand why SetVideo would fail; nil if that is not known.
	VideoChecker interface{ CheckVideo() error }
)
