package pipeline

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/video"
)

// ErrNoVideo: there is no H.264 of this source. It is wrapped with the reason.
var ErrNoVideo = errors.New("no H.264")

// VideoConfig is what a pipeline needs to have H.264 beside its JPEGs.
type VideoConfig struct {
	// Log takes the access units. The pipeline is its only producer until Close has returned; the caller closes it after that.
	Log *video.Log
	// NewEncoder makes the encoder of raw frames and of decoded JPEGs. What its error wraps, frame.ErrUnsupported, says that there is none here;
	// sources that have H.264 of their own work without. nil: only those have H.264.
	NewEncoder func(frame.VideoConfig) (frame.VideoEncoder, error)
	// DecodeJPEG makes a raw frame of a source's JPEG; nil: sources of JPEG have no H.264.
	DecodeJPEG func(jpeg []byte) (*frame.Frame, error)
}

// Video is a pipeline's H.264: of the same frames as its JPEGs, made only while somebody takes it. Its methods may be called from any goroutine.
type Video struct {
	pipeline *Pipeline
	config   VideoConfig
	takers   atomic.Int64
	limit    atomic.Int64  // bits a second at most; 0: none
	woken    chan struct{} // a first taker has come, or the last one has gone

	count     videoCounters
	reordered atomic.Bool // see Reordered
	distant   atomic.Bool // see OnDemand

	// mu guards what follows and serialises the log's producer calls.
	mu       sync.Mutex
	reason   string // why there is none; "": there is
	retry    bool   // whoever comes may try all the same
	encoder  string
	note     string // what is odd about it
	second   videoSecond
	window   videoSecond // the running second: counters when it began
	began    time.Time
	reported time.Time // when an encoder's failure was logged
}

type videoCounters struct {
	units, keys, bytes, dropped, failed atomic.Uint64
}

type videoSecond struct{ units, bytes float64 }

// VideoState is what /state shows of the H.264 stream.
type VideoState struct {
	Available bool
	Reason    string // why it is not
	Encoder   string // "OpenH264", "hardware (VENC)", "pass-through"
	Note      string // what a person should know of the stream; "": nothing
	Takers    int    // readers and recordings; 0: the encoder rests
	Codec     string // as RFC 6381 has it: "avc1.42c01f"; "" before the first key frame
	Width     int
	Height    int
	// FPS and BytesPerSec are of the last whole second.
	FPS         float64
	BytesPerSec float64
	Units       uint64 // access units since the start
	Keys        uint64 // key frames among them
	Dropped     uint64 // frames that the encoder was too slow for, and units that nobody could have decoded
	Failed      uint64 // frames that could not be coded
}

func newVideo(p *Pipeline, c VideoConfig) *Video {
	return &Video{pipeline: p, config: c, woken: make(chan struct{}, 1), reason: starting, began: time.Now()}
}

// Video returns the pipeline's H.264; nil if it was made without.
func (p *Pipeline) Video() *Video { return p.video }

// Log returns the log that the access units go to.
func (v *Video) Log() *video.Log { return v.config.Log }

// Watch says that somebody takes H.264: it is made from now on, beginning with a key frame, until leave was called by all. leave may be called twice.
func (v *Video) Watch() (leave func()) {
	// At no moment is there a watcher more than those of H.264, who is not one of JPEGs.
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
	default: // told already
	}
}

// Limit lowers the encoder's bitrate to at most so many bits a second, for as long as the viewers' links carry no more; 0: to what the settings say.
// The settings stay as they are.
func (v *Video) Limit(bits int) { v.limit.Store(int64(max(0, bits))) }

// Reordered says whether pictures come in another order than they are shown in: B-frames, which a source has that is passed through.
func (v *Video) Reordered() bool { return v.reordered.Load() }

// OnDemand says whether a key frame comes soon after it was requested. Some sources that are passed through have them only where they have them.
func (v *Video) OnDemand() bool { return !v.distant.Load() }

// Err returns why there is no H.264, wrapping ErrNoVideo; nil if there is, or may be once the source is there.
func (v *Video) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reason == "" || v.reason == starting || v.retry {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoVideo, v.reason)
}

// State returns what the stream is at this moment.
func (v *Video) State() VideoState {
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

// measure ends the running second.
func (v *Video) measure(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	total := videoSecond{float64(v.count.units.Load()), float64(v.count.bytes.Load())}
	if took := now.Sub(v.began).Seconds(); took > 0 {
		v.second = videoSecond{(total.units - v.window.units) / took, (total.bytes - v.window.bytes) / took}
	}
	v.window, v.began = total, now
}

// wanted is what the settings ask of the encoder.
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
	return frame.VideoConfig{Bitrate: bitrate, FPS: fps, GOP: time.Duration(s.GOP * float64(time.Second))}
}

// publish hands a unit of a session to the readers.
func (v *Video) publish(s *session, u *frame.AccessUnit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.ctx.Err() != nil { // left behind: another session may run already
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

// interrupt notes that units are missing from here on: a new session's, or those of a time that nobody took any.
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

// setNote notes what is odd about the running session's stream.
func (v *Video) setNote(note string) {
	v.mu.Lock()
	v.note = note
	v.mu.Unlock()
	v.pipeline.config.Log.Info("H.264: " + note)
}

// failed logs a failure, at most once in ten seconds. v.mu is held.
func (v *Video) failed(err error) {
	if now := time.Now(); now.Sub(v.reported) > 10*time.Second {
		v.reported = now
		v.pipeline.config.Log.Warn("H.264: a frame is missing", zap.Error(err))
	}
}

// describe notes who makes the H.264 of the session that begins, or why nobody does.
func (v *Video) describe(encoder string, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	v.mu.Lock()
	news := reason != v.reason
	v.encoder, v.reason, v.retry, v.note = encoder, reason, false, ""
	v.reordered.Store(false)
	v.distant.Store(false)
	v.mu.Unlock()
	if news && err != nil {
		v.pipeline.config.Log.Info("no H.264 beside the JPEGs", zap.Error(err))
	}
}

// mayRetry lets the next taker try although the last one failed.
func (v *Video) mayRetry() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retry = true
}
