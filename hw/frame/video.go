package frame

import (
	"context"
	"time"
)

// AccessUnit is one coded picture of an H.264 stream (ITU-T H.264 section 7.4.1.2): what decodes to one picture, together with the
// pictures since the last key frame.
type AccessUnit struct {
	// NALs holds the NAL units in coding order, without start codes. A key frame's slices follow their SPS and PPS, unless those
	// have not changed since the last key frame. The bytes belong to whoever filled the AccessUnit, until its next read or Close.
	NALs [][]byte
	// Key marks an IDR picture: a decoder can start here.
	Key bool
	// Captured and Sequence are those of the frame, see Frame.
	Captured time.Time
	Sequence uint64
	// Shown is how much later than Captured the picture is to be shown, where pictures are coded in another order than they are shown in: B-frames. 0: at once.
	Shown time.Duration
}

// Size returns the bytes of all NAL units.
func (u *AccessUnit) Size() (bytes int) {
	for _, n := range u.NALs {
		bytes += len(n)
	}
	return bytes
}

// VideoConfig is what a video encoder is asked for. All of it may be changed while it runs.
type VideoConfig struct {
	Bitrate int           // bits a second on average; the peak of a key frame is higher
	FPS     float64       // frames a second that the bits are divided among
	GOP     time.Duration // from key frame to key frame
}

// VideoEncoder turns raw frames into H.264 without reordering: the unit of a frame is complete when Encode returns. One goroutine uses it at
// a time.
type VideoEncoder interface {
	// Name says who encodes: "OpenH264", "hardware (VENC)".
	Name() string
	// Encode codes f into u, as a key frame if key is set, and whenever the picture's size has changed. u's bytes are valid until the
	// next Encode or Close. A frame that the encoder left out gives a u without NALs. f is not kept and only read.
	Encode(f *Frame, key bool, u *AccessUnit) error
	// Configure changes bitrate, frame rate and key frame interval from the next frame on.
	Configure(VideoConfig) error
	// Close frees the encoder. It may be called twice.
	Close() error
}

// VideoDecoder turns H.264 into raw frames. One goroutine uses it at a time.
type VideoDecoder interface {
	// Name says who decodes: "OpenH264".
	Name() string
	// Decode decodes u, which follows the one before it or is a key frame, and fills f with the picture whose turn it is (what f held before must have been
	// released): full range BT.601, with the Captured and Sequence of its own unit. ok is false where pictures come in another order than they are shown in, and the
	// next one is not there yet. f may be written, and is valid until it is released, also behind Close. Errors wrap ErrUnsupported for a kind of H.264 that cannot be
	// decoded, and ErrBadPicture for what is damaged: go on with a key frame. Steady state: no garbage. u is not kept.
	Decode(u *AccessUnit, f *Frame) (ok bool, err error)
	// Close frees the decoder. It may be called twice.
	Close() error
}

// VideoSource is a source that has H.264 of its pictures, coded by itself. It may be a JPEGSource, too: both are then read, each by a goroutine of its own.
type VideoSource interface {
	Source
	// ReadUnit waits for the next access unit; u's bytes are valid until the next ReadUnit, whatever that returns. Errors as RawSource.ReadFrame's.
	ReadUnit(ctx context.Context, u *AccessUnit) error
}

// What a VideoSource may offer beyond reading; each is called from any goroutine.
type (
	// KeyRequester makes one of the next pictures a key frame. Its error wraps ErrUnsupported where the device cannot.
	KeyRequester interface{ RequestKey() error }
	// VideoConfigurer changes bitrate, frame rate and key frame interval; see VideoEncoder.Configure.
	VideoConfigurer interface{ ConfigureVideo(VideoConfig) error }
	// VideoSwitcher stops and starts the source's own H.264 encoder, which costs while it runs. It starts with a key frame.
	VideoSwitcher interface{ SetVideo(on bool) error }
)
