package rtsp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/video"
)

// videoFeed is a Feed that also has H.264, such as *pipeline.Pipeline, whose Video is nil if it was configured without.
type videoFeed interface{ Video() *pipeline.Video }

const (
	// h264Type is a dynamic payload type (RFC 3551 section 3).
	h264Type = 96
	// parametersWithin is how long DESCRIBE waits, beyond two frame times, for the encoder's first parameter sets, which belong in its reply.
	parametersWithin = 5 * time.Second
)

// h264 is the H.264 stream. Each reader reads the log of access units at its own pace: units that it skips
// are never packetized.
type h264 struct {
	s        *Server
	source   *pipeline.Video
	format   *format.H264
	together *together
}

// newH264 returns the feed's H.264 stream, or nil if it has none.
func (s *Server) newH264() *media {
	feed, ok := s.config.Feed.(videoFeed)
	if !ok || feed.Video() == nil {
		return nil
	}
	h := &h264{s: s, source: feed.Video(), format: &format.H264{PayloadTyp: h264Type, PacketizationMode: 1}}
	h.together = newTogether(h.source.Log(), h.describe)
	return &media{
		paths:       []string{"h264"},
		description: &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{h.format}},
		check:       h.check,
		watch:       h.source.Watch,
		play:        h.play,
		close:       h.together.close,
	}
}

// check reports why H.264 is unavailable. It waits for the first parameter sets: some players show nothing if the description lacks them.
func (h *h264) check() error {
	if err := h.source.Err(); err != nil {
		return err
	}
	if h.source.Log().Parameters() == nil {
		defer h.source.Watch()()
		within := parametersWithin + 2*h.source.FrameTime()
		ctx, cancel := context.WithTimeout(h.s.ctx, within)
		defer cancel()
		reader := h.source.Log().NewReader(0)
		defer reader.Close()
		var u video.Unit
		if err := reader.Next(ctx, &u); err != nil {
			if why := h.source.Err(); why != nil {
				return why
			}
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("%w: no key frame within %v", pipeline.ErrNoVideo, within.Round(time.Second))
			}
			return err
		}
		u.Release()
	}
	h.describe(h.source.Log().Parameters())
	return nil
}

// describe updates the description's parameter sets.
func (h *h264) describe(p *video.Parameters) {
	if sps, _ := h.format.SafeParams(); p != nil && string(sps) != string(p.SPS) {
		h.format.SafeSetParams(p.SPS, p.PPS)
	}
}

// play sends units to one reader until ctx ends, or the reader disconnects or stalls.
func (h *h264) play(ctx context.Context, to *player) {
	if to.own != nil {
		if out := to.own.direct(); out != nil {
			h.together.play(ctx, to, out)
			return
		}
	}
	reader := h.source.Log().NewReader(0)
	defer reader.Close()
	var u video.Unit
	var parameters *video.Parameters
	for {
		if err := reader.Next(ctx, &u); err != nil {
			return
		}
		if m := u.Meta(); m.Parameters != parameters {
			parameters = m.Parameters
			h.describe(parameters)
		}
		err := to.send(&u)
		u.Release()
		if err != nil {
			to.end(err)
			return
		}
	}
}
