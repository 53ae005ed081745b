package whep

import (
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"go.uber.org/zap"
)

// captureTime is the header extension with a picture's capture time (abs-capture-time), from which a page computes the picture's age.
const captureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

const (
	payloadType = 102
	minRate     = 150_000 // bits per second; pictures below are not worth showing
	firstRate   = 1_500_000
	maxRate     = 50_000_000
	keptPackets = 512 // for retransmission, a power of two
)

// codecs registers H.264, in all profiles that browsers decode, with its feedback and header extensions.
func (s *Server) codecs(loggers logging.LoggerFactory) (*webrtc.MediaEngine, *interceptor.Registry, error) {
	media := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}, {Type: "transport-cc"}}
	// Browsers decode whatever their decoder can, regardless of the negotiated profile; all of them offer constrained baseline.
	for i, profile := range []string{"42e01f", "42001f", "4d001f", "640c1f"} {
		if err := media.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeH264, ClockRate: 90000, RTCPFeedback: feedback,
				SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile,
			},
			PayloadType: webrtc.PayloadType(payloadType + 2*i),
		}, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, nil, err
		}
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: captureTime}, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, nil, err
	}
	registry := &interceptor.Registry{}
	control, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		s.pacer = newPacer(firstRate)
		return gcc.NewSendSideBWE(gcc.SendSideBWEInitialBitrate(firstRate), gcc.SendSideBWEMinBitrate(minRate), gcc.SendSideBWEMaxBitrate(maxRate),
			gcc.SendSideBWEPacer(s.pacer), gcc.WithLoggerFactory(loggers))
	})
	if err != nil {
		return nil, nil, err
	}
	control.OnNewPeerConnection(func(_ string, estimator cc.BandwidthEstimator) { s.estimator = estimator })
	registry.Add(control) // before the responder, to count its retransmissions
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(keptPackets), nack.WithResponderLoggerFactory(loggers))
	if err != nil {
		return nil, nil, err
	}
	registry.Add(responder)
	reports, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(loggers))
	if err != nil {
		return nil, nil, err
	}
	registry.Add(reports)
	if err := webrtc.ConfigureTWCCHeaderExtensionSender(media, registry); err != nil {
		return nil, nil, err
	}
	return media, registry, nil
}

// quiet demotes the WebRTC library's log messages to debug: one viewer's trouble does not concern the operator.
type quiet struct{ log *zap.Logger }

func (q quiet) NewLogger(scope string) logging.LeveledLogger {
	return leveled{q.log.With(zap.String("webrtc", scope)).Sugar()}
}

type leveled struct{ log *zap.SugaredLogger }

func (leveled) Trace(string)               {}
func (leveled) Tracef(string, ...any)      {}
func (leveled) Debug(string)               {}
func (leveled) Debugf(string, ...any)      {}
func (l leveled) Info(m string)            { l.log.Debug(m) }
func (l leveled) Infof(m string, a ...any) { l.log.Debugf(m, a...) }
func (l leveled) Warn(m string)            { l.log.Debug(m) }
func (l leveled) Warnf(m string, a ...any) { l.log.Debugf(m, a...) }
func (l leveled) Error(m string)           { l.log.Debug(m) }
func (l leveled) Errorf(m string, a ...any) {
	l.log.Debugf(m, a...)
}
