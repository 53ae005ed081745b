package whep

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

const (
	// connectTimeout is the time that a viewer has to connect after its offer was answered.
	connectTimeout = 10 * time.Second
	// silenceTimeout is how long a viewer may be silent; it is checked every second or two.
	silenceTimeout = 7 * time.Second
	// packetSize is the payload size of a packet, in bytes: what fits the smallest path MTU, with room for headers and tunnels.
	packetSize = 1180
	clockRate  = 90000
)

// session is one viewer.
type session struct {
	server  *Server
	id      string
	from    string
	host    string
	source  *pipeline.Video
	left    func()
	since   time.Time
	ctx     context.Context
	cancel  context.CancelFunc
	joined  chan struct{} // closed once connected
	onJoin  sync.Once
	onEnd   sync.Once
	pc      *webrtc.PeerConnection
	sender  *webrtc.RTPSender
	track   *webrtc.TrackLocalStaticRTP
	control cc.BandwidthEstimator
	pacer   *pacer

	candidates             atomic.Int64 // received since the offer
	connected              atomic.Bool
	keysOnly               atomic.Bool  // its link cannot carry the stream
	considered             atomic.Int64 // estimate that the encoder's bitrate was last computed from; 0: none yet
	frames, skipped, bytes atomic.Uint64
	fps, byteRate          atomic.Uint64 // math.Float64bits, over about the last second

	// used by run only
	packet    rtp.Packet
	number    uint16    // of the next packet
	extension uint8     // ID of the capture time's header extension; 0: not negotiated
	origin    time.Time // capture time of RTP time 0
	gate      gate
	slow      time.Time // since when the link has carried less than the stream; zero: it keeps up
	trial     trial
	measured  time.Time
	frames0   uint64
	bytes0    uint64
}

func newSession(s *Server, source *pipeline.Video, from, host string, left func()) *session {
	viewer := &session{
		server: s, id: rand.Text(), from: from, host: host, source: source, left: left, since: time.Now(), joined: make(chan struct{}),
	}
	viewer.ctx, viewer.cancel = context.WithCancel(context.Background())
	return viewer
}

// answer creates the connection for an offer and returns the answer.
func (s *session) answer(ctx context.Context, offer string) (string, error) {
	server := s.server
	server.connecting.Lock()
	pc, err := server.api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	s.control, s.pacer = server.estimator, server.pacer
	server.connecting.Unlock()
	if err != nil {
		return "", fmt.Errorf("webrtc: %w", err)
	}
	s.pc = pc
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			s.onJoin.Do(func() { close(s.joined) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			s.cancel()
		}
	})
	if s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: clockRate}, "video", "maixstream"); err != nil {
		return "", fmt.Errorf("webrtc: %w", err)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	if s.sender, err = pc.AddTrack(s.track); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	select {
	case <-gathered: // immediate: all candidates are local
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if !acceptsH264(pc) {
		return "", fmt.Errorf("%w: it does not accept H.264 video", ErrOffer)
	}
	return pc.LocalDescription().SDP, nil
}

// acceptsH264 reports whether H.264 was negotiated.
func acceptsH264(pc *webrtc.PeerConnection) bool {
	for _, t := range pc.GetTransceivers() {
		if t.Kind() != webrtc.RTPCodecTypeVideo || t.Sender() == nil {
			continue
		}
		if d := t.Direction(); d != webrtc.RTPTransceiverDirectionSendonly && d != webrtc.RTPTransceiverDirectionSendrecv {
			continue
		}
		for _, c := range t.Sender().GetParameters().Codecs {
			if c.MimeType == webrtc.MimeTypeH264 {
				return true
			}
		}
	}
	return false
}

// end ends the session. It may be called twice and from any goroutine.
func (s *session) end() {
	s.cancel()
	s.onEnd.Do(func() {
		s.server.forget(s)
		s.server.rates.leave(s)
		if s.pc != nil {
			if err := s.pc.Close(); err != nil {
				s.server.config.Log.Debug("closing a WebRTC viewer", zap.Error(err))
			}
		}
		s.left()
	})
}

// run waits for the viewer to connect, then sends to it until it leaves.
func (s *session) run() {
	defer s.end()
	timer := time.NewTimer(connectTimeout)
	defer timer.Stop()
	select {
	case <-s.joined:
	case <-timer.C:
		s.server.config.Log.Debug("WebRTC viewer did not connect in time; dropping it", zap.String("address", s.from), zap.Duration("within", connectTimeout))
		return
	case <-s.ctx.Done():
		return
	}
	s.connected.Store(true)
	leave := s.source.Watch()
	defer leave()
	s.pacer.notify(s.estimated)
	s.server.rates.join(s)
	var feedback sync.WaitGroup
	feedback.Go(s.feedback)
	defer feedback.Wait()
	defer s.end() // unblocks feedback's read
	s.prepare()
	reader := s.source.Log().NewReader(0)
	defer reader.Close()
	var u video.Unit
	first := true
	for reader.Next(s.ctx, &u) == nil {
		if !first {
			s.skipped.Add(u.Skipped)
		}
		first = false
		err := s.send(&u)
		u.Release()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				s.server.config.Log.Debug("sending to a WebRTC viewer", zap.String("address", s.from), zap.Error(err))
			}
			return
		}
	}
}

// prepare sets up the packetizer for the negotiated parameters.
func (s *session) prepare() {
	p := s.sender.GetParameters()
	for _, e := range p.HeaderExtensions {
		if e.URI == captureTime {
			s.extension = uint8(e.ID)
		}
	}
	s.number = rtp.NewRandomSequencer().NextSequenceNumber()
	s.measured = time.Now()
}

// send sends a unit, unless the viewer's link is too slow and the unit is not a key frame.
func (s *session) send(u *video.Unit) error {
	m := u.Meta()
	s.follow(m.Captured)
	before := s.pacer.backlog()
	if s.keysOnly.Load() && !m.Key || !s.gate.passes(before, m.Key) {
		if s.gate.awaitsKey(before) {
			s.source.Log().RequestKey()
		}
		s.skipped.Add(1)
		return nil
	}
	if s.origin.IsZero() {
		s.origin = m.Captured
	}
	at := uint32(int64(m.Captured.Sub(s.origin)) * clockRate / int64(time.Second))
	parts := s.server.cutter.cut(s.source.Log(), u)
	for i, part := range parts {
		// The track sets the payload type and the SSRC.
		s.packet.Header = rtp.Header{Version: 2, Marker: i == len(parts)-1, SequenceNumber: s.number, Timestamp: at}
		s.packet.Payload = part
		s.number++
		if i == 0 && s.extension != 0 {
			if err := s.packet.SetExtension(s.extension, ntpTime(m.Captured)); err != nil {
				return err
			}
		}
		if err := s.track.WriteRTP(&s.packet); err != nil {
			return err
		}
		s.bytes.Add(uint64(len(part)))
	}
	s.frames.Add(1)
	if m.Key {
		s.gate.key = s.pacer.backlog() - before
	}
	return s.ctx.Err()
}

// ntpTime encodes a time for abs-capture-time: seconds since 1900 in 32.32 bits.
func ntpTime(t time.Time) []byte {
	const since1900 = 2208988800
	seconds := uint64(t.Unix()+since1900) << 32
	return binary.BigEndian.AppendUint64(nil, seconds|uint64(t.Nanosecond())<<32/1e9)
}

// follow updates the rates about once per second, and from them decides whether the link can carry the stream.
func (s *session) follow(time.Time) {
	now := time.Now()
	d := now.Sub(s.measured).Seconds()
	if d < 1 {
		return
	}
	frames, bytes := s.frames.Load(), s.bytes.Load()
	s.fps.Store(math.Float64bits(float64(frames-s.frames0) / d))
	s.byteRate.Store(math.Float64bits(float64(bytes-s.bytes0) / d))
	s.frames0, s.bytes0, s.measured = frames, bytes, now

	s.decide(now, float64(s.control.GetTargetBitrate()), s.source.State().BytesPerSec*8)
}

// trial sends all pictures to a viewer that was down to key frames: those are too few packets to probe the link, and the estimate hardly rises.
type trial struct {
	patience time.Duration // until the next trial; doubles with each failure
	keys     time.Time     // since when only key frames are sent
	began    time.Time     // zero: not running
	from     float64       // estimate at its beginning
}

const (
	firstPatience = 5 * time.Second
	maxPatience   = time.Minute
)

// decide chooses whether the viewer gets all pictures or key frames only. needs is the bitrate of the stream and target the estimated capacity of the
// link, both in bits per second.
func (s *session) decide(now time.Time, target, needs float64) {
	t := &s.trial
	switch {
	case target >= needs*0.9:
		s.slow = time.Time{}
		*t = trial{}
		s.onlyKeys(false)
	case s.keysOnly.Load():
		if now.Sub(t.keys) >= t.patience {
			t.began, t.from = now, target
			s.onlyKeys(false)
		}
	case !t.began.IsZero():
		took := now.Sub(t.began)
		if target < 0.95*t.from || took > 3*time.Second && target < 1.1*t.from || took > 15*time.Second {
			t.began, t.keys, t.patience = time.Time{}, now, min(2*t.patience, maxPatience)
			s.onlyKeys(true)
		}
	case s.slow.IsZero():
		s.slow = now
	case now.Sub(s.slow) > 4*time.Second && s.server.rates.decided():
		t.keys, t.patience = now, max(t.patience, firstPatience)
		s.onlyKeys(true)
	}
}

// estimated takes a new estimate of the link's capacity, in bits per second. While it falls, each moment at the old bitrate adds to what waits.
func (s *session) estimated(rate int) {
	if used := s.considered.Load(); used != 0 && int64(rate) < used*9/10 {
		s.server.rates.hurry()
	}
}

// onlyKeys switches between key frames only and all pictures.
func (s *session) onlyKeys(on bool) {
	if s.keysOnly.Swap(on) && !on {
		s.source.Log().RequestKey()
	}
}

// feedback reads the browser's RTCP reports, which drives the interceptors, and requests a key frame when the browser asks for one.
func (s *session) feedback() {
	for {
		packets, _, err := s.sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				s.source.Log().RequestKey()
			}
		}
	}
}

// trickle adds a candidate that the viewer found after its offer.
func (s *session) trickle(candidate webrtc.ICECandidateInit) error {
	return s.pc.AddICECandidate(candidate)
}

func (s *session) stats() fanout.Stats {
	form := "webrtc"
	if s.keysOnly.Load() {
		form = "webrtc (key frames)"
	}
	return fanout.Stats{
		Address: s.from, Transport: "webrtc", Form: form,
		FPS: math.Float64frombits(s.fps.Load()), BytesPerSec: math.Float64frombits(s.byteRate.Load()),
		Frames: s.frames.Load(), Skipped: s.skipped.Load(), Bytes: s.bytes.Load(), AgeSeconds: time.Since(s.since).Seconds(),
	}
}
