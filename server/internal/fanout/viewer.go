package fanout

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// Viewer is one connection that is sent frames. Its exported fields are set before Add and not changed afterwards.
type Viewer struct {
	Address   string // of the peer
	Transport string // "tcp", "tls", "h2", "unix"
	Form      Form
	// Interval is the minimum time between two frames; 0: every frame.
	Interval time.Duration
	Since    time.Time // when it connected
	// Gone is called once when the viewer's connection has been closed, with the reason, in a goroutine that serves other viewers: it must not
	// block. It is not called if Add fails.
	Gone func(Reason)

	dismissed atomic.Bool // Remove was called

	frames   atomic.Uint64
	skipped  atomic.Uint64
	bytes    atomic.Uint64
	fps      atomic.Uint64 // math.Float64bits, over the last second or so
	byteRate atomic.Uint64 // math.Float64bits

	// What follows belongs to the goroutine that writes.
	sequence uint64        // of the newest frame that it was sent
	due      time.Duration // on the writer's clock: when the next frame is due
	measured time.Duration // when fps and byteRate were computed
	frames0  uint64        // at that time
	bytes0   uint64
	progress time.Duration // when it last accepted data
	sent0    uint64        // how much it had accepted then
	unsent0  int
	sent     uint64 // bytes, including unfinished frames
}

// Reason is why a viewer's connection was closed.
type Reason uint8

const (
	// Left: the viewer closed the connection, or the network lost it.
	Left Reason = iota
	// Stalled: it accepted nothing for the stall timeout.
	Stalled
	// Closed: the fan-out was closed.
	Closed
	// Dismissed: Remove was called.
	Dismissed
	// Broken: the frames cannot be sent (a ring without an envelope).
	Broken
)

// String returns the reason for a log line.
func (r Reason) String() string {
	return [...]string{"left", "stalled", "closed", "dismissed", "ring has no envelope"}[r]
}

// Stats describes what a viewer has received so far.
type Stats struct {
	Address     string  `json:"address"`
	Transport   string  `json:"transport"`
	Form        string  `json:"form"`
	LimitFPS    float64 `json:"limit_fps,omitempty"` // as asked for by ?fps=
	FPS         float64 `json:"fps"`                 // over the last second
	BytesPerSec float64 `json:"bytes_per_second"`
	Frames      uint64  `json:"frames"`  // sent
	Skipped     uint64  `json:"skipped"` // published but not sent, because of the link or limit_fps
	Bytes       uint64  `json:"bytes"`
	AgeSeconds  float64 `json:"age_seconds"` // since it connected
}

// Stats is safe for concurrent use.
func (v *Viewer) Stats() Stats {
	s := Stats{
		Address: v.Address, Transport: v.Transport, Form: v.Form.String(),
		FPS: math.Float64frombits(v.fps.Load()), BytesPerSec: math.Float64frombits(v.byteRate.Load()),
		Frames: v.frames.Load(), Skipped: v.skipped.Load(), Bytes: v.bytes.Load(),
		AgeSeconds: time.Since(v.Since).Seconds(),
	}
	if v.Interval > 0 {
		s.LimitFPS = 1 / v.Interval.Seconds()
	}
	return s
}

// start prepares the viewer for its first frame; now is on the writer's clock.
func (v *Viewer) start(now time.Duration) {
	v.measured, v.progress = now, now
}

// wants reports whether a viewer with an Interval may get a frame at the time at. Frames arrive slightly early and late; a tolerance of a quarter
// of the interval, 5 ms at most, keeps 30 fps thinned to 10 at every third frame.
func (v *Viewer) wants(at time.Duration) bool {
	return v.Interval == 0 || at >= v.due-min(v.Interval/4, 5*time.Millisecond)
}

// begin records a frame begun at the time at as this viewer's newest, and schedules the next one.
func (v *Viewer) begin(m *ring.Meta, at time.Duration) {
	if v.due += v.Interval; v.due < at {
		v.due = at + v.Interval // the first frame, or the viewer was behind: no burst to catch up
	}
	if v.sequence != 0 {
		v.skipped.Store(v.skipped.Load() + m.Sequence - v.sequence - 1)
	}
	v.sequence = m.Sequence
}

// took counts bytes that the kernel accepted. Only the writer stores, so plain stores suffice.
func (v *Viewer) took(n int) {
	v.sent += uint64(n)
	v.bytes.Store(v.sent)
}

func (v *Viewer) finished() { v.frames.Store(v.frames.Load() + 1) }

// tick is called about once a second. It computes the rates and reports whether the viewer has stalled. unsent is the part of the accepted bytes that
// the peer has not acknowledged; owed says that the rest of a frame is still to be sent.
func (v *Viewer) tick(now, stall time.Duration, unsent int, owed bool) (stalled bool) {
	if d := (now - v.measured).Seconds(); d > 0.5 {
		frames, bytes := v.frames.Load(), v.bytes.Load()
		v.fps.Store(math.Float64bits(float64(frames-v.frames0) / d))
		v.byteRate.Store(math.Float64bits(float64(bytes-v.bytes0) / d))
		v.frames0, v.bytes0, v.measured = frames, bytes, now
	}
	if (unsent == 0 && !owed) || v.sent != v.sent0 || unsent != v.unsent0 {
		v.progress, v.sent0, v.unsent0 = now, v.sent, unsent
	}
	return now-v.progress >= stall
}
