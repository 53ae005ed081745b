package pipeline

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/video"
)

// ErrNoVideo means that this source has no H.264. It is wrapped with the reason.
var ErrNoVideo = errors.New("no H.264")

// VideoConfig configures a pipeline's H.264.
type VideoConfig struct {
	// Log receives the access units. The pipeline is its only producer until Close has returned; the caller closes it afterwards.
	Log *video.Log
	// NewEncoder makes the encoder for raw frames and decoded JPEGs. If there is none, its error wraps frame.ErrUnsupported;
	// sources with their own H.264 do not need it. nil: only those have H.264.
	NewEncoder func(frame.VideoConfig) (frame.VideoEncoder, error)
	// DecodeJPEG decodes a source's JPEG to a raw frame; nil: JPEG sources have no H.264.
	DecodeJPEG func(jpeg []byte) (*frame.Frame, error)
}

// Video is a pipeline's H.264, made from the same frames as its JPEGs, but only while someone reads it. Its methods are safe for concurrent use.
type Video struct {
	pipeline *Pipeline
	config   VideoConfig
	takers   atomic.Int64
	limit    atomic.Int64  // upper limit in bits per second; 0: none
	woken    chan struct{} // the first reader has arrived, or the last one has left

	count     videoCounters
	reordered atomic.Bool // see Reordered
	distant   atomic.Bool // see OnDemand

	// mu guards what follows and serialises the log's producer calls.
	mu       sync.Mutex
	find     func() // describes the running session's encoder; nil: it is described
	reason   string // why there is none; "" if there is
	retry    bool   // a new reader may nevertheless retry
	encoder  string
	note     string // a remark about it
	second   videoSecond
	window   videoSecond // the running second: counters when it began
	began    time.Time
	reported time.Time // when an encoder failure was last logged
}

type videoCounters struct {
	units, keys, bytes, dropped, failed atomic.Uint64
}

type videoSecond struct{ units, bytes float64 }

// VideoState describes the H.264 stream for /state.
type VideoState struct {
	Available bool
	Reason    string // why it is not
	Encoder   string // "OpenH264", "hardware (VENC)", "pass-through"
	Note      string // what a person should know about the stream; "": nothing
	Takers    int    // readers and recordings; 0: the encoder is idle
	Codec     string // in RFC 6381 syntax: "avc1.42c01f"; "" before the first key frame
	Width     int
	Height    int
	// FPS and BytesPerSec are for the last full second.
	FPS         float64
	BytesPerSec float64
	Units       uint64 // access units since the start
	Keys        uint64 // key frames among them
	Dropped     uint64 // frames for which the encoder was too slow, and units that could not have been decoded
	Failed      uint64 // frames that could not be encoded
}

func newVideo(p *Pipeline, c VideoConfig) *Video {
	return &Video{pipeline: p, config: c, woken: make(chan struct{}, 1), reason: starting, began: time.Now()}
}

// Video returns the pipeline's H.264; nil if it has none.
func (p *Pipeline) Video() *Video { return p.video }

// Log returns the log that receives the access units.
func (v *Video) Log() *video.Log { return v.config.Log }

// Watch registers a reader: H.264 is made, starting with a key frame, until every reader has called leave. leave may be called twice.
func (v *Video) Watch() (leave func()) {
	// Counting the reader here keeps it from ever counting as a JPEG viewer.
	first := v.takers.Add(1) == 1
	unwatch := v.pipeline.Watch()
	if first {
		v.wake()
	}
	return sync.OnceFunc(func() {
		unwatch()
		if v.takers.Add(-1) == 0 {
			v.wake()
		}
	})
}

func (v *Video) wake() {
	select {
	case v.woken <- struct{}{}:
	default: // already signalled
	}
}

// Limit caps the encoder's bitrate, in bits per second, while the viewers' links carry no more; 0 removes the cap.
// The settings do not change.
func (v *Video) Limit(bits int) { v.limit.Store(int64(max(0, bits))) }

// Reordered reports whether pictures are coded in a different order than displayed: B-frames of a source that is passed through.
func (v *Video) Reordered() bool { return v.reordered.Load() }

// OnDemand reports whether a requested key frame comes soon. Some sources that are passed through cannot make one on request.
func (v *Video) OnDemand() bool { return !v.distant.Load() }

// FrameTime returns the time between two pictures: at the wanted rate, or the source's own if that is slower.
func (v *Video) FrameTime() time.Duration {
	p := v.pipeline
	p.mu.Lock()
	defer p.mu.Unlock()
	return pace.Period(p.expected(p.settings.Load().FPS))
}

// Err returns why there is no H.264, wrapping ErrNoVideo; nil if there is, or may be once the source is open.
func (v *Video) Err() error {
	v.findEncoder()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reason == "" || v.reason == starting || v.retry {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoVideo, v.reason)
}

// findEncoder sees to it that the running session's encoder is described.
func (v *Video) findEncoder() {
	v.mu.Lock()
	find := v.find
	v.mu.Unlock()
	if find != nil {
		find()
	}
}

// State returns the current state of the stream.
func (v *Video) State() VideoState {
	v.findEncoder()
	s := VideoState{
		Takers: int(v.takers.Load()), Units: v.count.units.Load(), Keys: v.count.keys.Load(), Dropped: v.count.dropped.Load(), Failed: v.count.failed.Load(),
	}
	if p := v.config.Log.Parameters(); p != nil {
		s.Codec, s.Width, s.Height = p.Codec(), p.Width, p.Height
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Available, s.Reason, s.Encoder, s.Note = v.reason == "", v.reason, v.encoder, v.note
	s.FPS, s.BytesPerSec = v.second.units, v.second.bytes
	return s
}

// measure ends the current second.
func (v *Video) measure(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	total := videoSecond{float64(v.count.units.Load()), float64(v.count.bytes.Load())}
	if took := now.Sub(v.began).Seconds(); took > 0 {
		v.second = videoSecond{(total.units - v.window.units) / took, (total.bytes - v.window.bytes) / took}
	}
	v.window, v.began = total, now
}

// wanted returns the encoder configuration that the settings ask for.
func (v *Video) wanted(info frame.Info) frame.VideoConfig {
	s := v.pipeline.settings.Load()
	fps := s.FPS
	if info.FPS > 0 {
		fps = min(fps, info.FPS)
	}
	bitrate := s.Bitrate
	if limit := int(v.limit.Load()); limit > 0 {
		bitrate = min(bitrate, limit)
	}
	return frame.VideoConfig{Bitrate: bitrate, FPS: fps, GOP: pace.Duration(s.GOP)}
}

// publish passes a session's unit to the readers.
func (v *Video) publish(s *session, u *frame.AccessUnit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.ctx.Err() != nil { // abandoned: another session may be running
		return
	}
	if err := v.config.Log.Append(u); err != nil {
		v.count.dropped.Add(1)
		if !errors.Is(err, video.ErrNeedsKey) {
			v.failed(err)
		}
		return
	}
	if u.Shown > 0 && !v.reordered.Load() {
		v.reordered.Store(true)
	}
	v.count.units.Add(1)
	v.count.bytes.Add(uint64(u.Size()))
	if u.Key {
		v.count.keys.Add(1)
	}
}

// interrupt records that units are missing from here on: after a new session, or a time without readers.
func (v *Video) interrupt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.config.Log.Break()
}

func (v *Video) keyWanted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.config.Log.KeyWanted(time.Now())
}

// mishap counts and logs a failure.
func (v *Video) mishap(err error) {
	v.count.failed.Add(1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed(err)
}

// setNote records a remark about the running session's stream.
func (v *Video) setNote(note string) {
	v.mu.Lock()
	v.note = note
	v.mu.Unlock()
	v.pipeline.config.Log.Info("H.264: " + note)
}

// failed logs a failure, at most once every ten seconds. v.mu is held.
func (v *Video) failed(err error) {
	if now := time.Now(); now.Sub(v.reported) > 10*time.Second {
		v.reported = now
		v.pipeline.config.Log.Warn("H.264: frame lost", zap.Error(err))
	}
}

// describe records which encoder makes the H.264 of a new session, or why there is none.
func (v *Video) describe(encoder string, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	v.mu.Lock()
	news := reason != v.reason
	v.find = nil
	v.encoder, v.reason, v.retry, v.note = encoder, reason, false, ""
	v.reordered.Store(false)
	v.distant.Store(false)
	v.mu.Unlock()
	if news && err != nil {
		v.pipeline.config.Log.Info("H.264 unavailable; serving JPEG only", zap.Error(err))
	}
}

// describeLater leaves it to find to describe a new session's encoder, with describe.
func (v *Video) describeLater(find func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.find = find
}

// mayRetry lets the next reader retry although the last attempt failed.
func (v *Video) mayRetry() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retry = true
}
