package rtsp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// clockRate is RTP/JPEG's, in ticks per second (RFC 2435 section 3).
const clockRate = 90000

// jpegSender packetizes each frame of the ring once for all readers.
type jpegSender struct {
	s         *Server
	media     *media
	reader    *ring.Reader
	send      func(*rtp.Packet, time.Time) error
	rewritten []byte // a frame whose headers were odd
}

// newJPEG returns the stream of the ring's frames.
func (s *Server) newJPEG() *media {
	m := &media{
		paths:       []string{"jpeg", "stream", ""},
		description: &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MJPEG{}}},
		watch:       s.config.Feed.Watch,
	}
	sender := &jpegSender{s: s, media: m, reader: s.config.Feed.Ring().NewReader()}
	m.check, m.run, m.close = sender.check, sender.run, sender.reader.Close
	return m
}

// check reports why RTP/JPEG cannot carry the newest frame.
func (j *jpegSender) check() error {
	var f ring.Frame
	if !j.s.config.Feed.Ring().Latest(&f) {
		return nil
	}
	defer f.Release()
	return Carries(f.JPEG())
}

func (j *jpegSender) run(ctx context.Context, send func(*rtp.Packet, time.Time) error) {
	log := j.s.config.Log
	j.send = send
	encoder := &rtpmjpeg.Encoder{}
	if err := encoder.Init(); err != nil {
		log.Error("rtsp: RTP/JPEG disabled; random numbers unavailable", zap.Error(err))
		return
	}
	var refused string
	for {
		var f ring.Frame
		if err := j.reader.Next(ctx, &f); err != nil {
			return
		}
		if j.media.playing.Load() > 0 {
			err := j.frame(encoder, &f)
			switch {
			case errors.Is(err, ErrCannotCarry) && err.Error() != refused:
				refused = err.Error() // log once, not per frame
				log.Warn("rtsp: frames not sent", zap.Error(err))
			case err == nil:
				refused = ""
			}
		}
		f.Release()
	}
}

func (j *jpegSender) frame(encoder *rtpmjpeg.Encoder, f *ring.Frame) error {
	var h header
	jpeg := f.JPEG()
	if err := h.read(jpeg); err != nil {
		return err
	}
	if h.odd {
		j.rewritten = h.write(j.rewritten[:0])
		jpeg = j.rewritten
	}
	packets, err := encoder.Encode(jpeg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannotCarry, err)
	}
	captured := f.Meta().Captured
	ticks := uint32(captured.Sub(j.s.started).Microseconds() * clockRate / 1e6) // wraps by design, RFC 3550 section 5.1
	for _, packet := range packets {
		packet.Timestamp = ticks
		if err := j.send(packet, captured); err != nil {
			return err
		}
	}
	return nil
}
