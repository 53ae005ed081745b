package frame

import (
	"context"
	"errors"
	"time"
)

// ErrVideo is wrapped by what a VideoSource's own encoder says when it cannot work, or has stopped: the source's pictures go on, and SetVideo may be
// tried again later. Its text begins with what is missing.
var ErrVideo = errors.New("H.264")

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

// VideoSource is a source that has H.264 of its pictures, coded by itself. It may be a JPEGSource, too: both are then read, each by a goroutine of its own.
type VideoSource interface {
	Source
	// ReadUnit waits for the next access unit; u's bytes are valid until the next ReadUnit or Close. Errors as RawSource.ReadFrame's.
	ReadUnit(ctx context.Context, u *AccessUnit) error
}

// What a VideoSource may offer beyond reading. RequestKey is called from any goroutine; ConfigureVideo and SetVideo by the one that reads units, and they end the
// last one's bytes as a ReadUnit does.
type (
	// KeyRequester makes one of the next pictures a key frame.
	KeyRequester interface{ RequestKey() error }
	// VideoConfigurer changes bitrate, frame rate and key frame interval; see VideoEncoder.Configure.
	VideoConfigurer interface{ ConfigureVideo(VideoConfig) error }
	// VideoSwitcher stops and starts the source's own H.264 encoder, which costs while it runs. It starts with a key frame. It is stopped at first, after an
	// error, and after a ReadUnit whose error wraps ErrVideo.
	VideoSwitcher interface{ SetVideo(on bool) error }
	// VideoChecker is a VideoSwitcher that can tell beforehand why SetVideo would fail; nil if that is not known.
	VideoChecker interface{ CheckVideo() error }
)
