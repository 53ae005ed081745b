package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

// reportEvery is the interval of sender reports, which map RTP time to wall-clock time (RFC 3550 section 6.2).
const reportEvery = 5 * time.Second

// player sends one reader the units of a media that has a goroutine per reader.
//
// Over TCP a whole unit is written to the connection at once, bypassing gortsplib, whose own writes are whole messages, too: for all readers
// together (see together), or under TLS by each player. A stalled reader blocks only
// its player, which then resumes with the newest unit; nothing queues up. UDP never blocks, and goes through gortsplib.
type player struct {
	reader  *reader
	media   *description.Media
	conn    net.Conn // carries media; nil: media goes through gortsplib
	own     *conn    // same as conn if it is not encrypted, else nil
	packets packetizer
	scratch []byte // the unit in interleaved framing
	packet  rtp.Packet
	octets  uint32 // of payload sent
	count   uint32 // packets sent
	report  time.Time
	log     *zap.Logger
	before  *player       // the same reader's player before it paused
	done    chan struct{} // closed when run returns
}

// setupOf is what PLAY needs from SETUP: the channel for media over TCP.
type setupOf struct{ channel byte }

// channelOf returns the channel that gortsplib chooses for a session's first media: the requested one, or 0.
func channelOf(request *base.Request) byte {
	var transports headers.Transports
	if err := transports.Unmarshal(request.Header["Transport"]); err != nil {
		return 0
	}
	for _, t := range transports {
		if t.Protocol == headers.TransportProtocolTCP && t.InterleavedIDs != nil {
			return byte(t.InterleavedIDs[0])
		}
	}
	return 0
}

// newPlayer prepares a reader's player. started is closed when the reply to its PLAY has been written.
func (i *instance) newPlayer(c *gortsplib.ServerHandlerOnPlayCtx, rd *reader) (p *player, started <-chan struct{}) {
	stream := i.streams[rd.media]
	p = &player{
		reader: rd, media: rd.media.description, log: i.s.config.Log, before: rd.player, done: make(chan struct{}),
	}
	p.packets.start(i.s.started, stream.Stats().Medias[p.media].Formats[p.media.Formats[0]].LocalSSRC)
	own := connOf(c.Conn.NetConn())
	transport := c.Session.Transport()
	if own != nil && transport.Protocol == gortsplib.ProtocolTCP && transport.Profile == headers.TransportProfileAVP {
		p.conn = c.Conn.NetConn()
		p.packets.channel = rd.setup.channel
		p.own, _ = p.conn.(*conn)
		fanout.LimitUnsent(own.Conn)
	}
	written := make(chan struct{})
	if own == nil { // RTSP in HTTP
		close(written)
	} else {
		own.afterWrite(func() { close(written) })
	}
	return p, written
}

// connOf returns this package's connection underlying gortsplib's, or nil.
func connOf(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// run waits until the reply to PLAY has been written, then plays until ctx ends.
func (p *player) run(ctx, server context.Context, started <-chan struct{}, play func(context.Context, *player)) {
	defer close(p.done)
	if p.before != nil { // continue its numbering
		<-p.before.done
		p.packets.sequence, p.count, p.octets = p.before.packets.sequence, p.before.count, p.before.octets
		p.before = nil
	}
	select {
	case <-started:
	case <-ctx.Done():
		return
	}
	if p.conn != nil { // a blocked write must not delay Close
		defer context.AfterFunc(server, func() { p.conn.Close() })()
	}
	play(ctx, p)
}

func (p *player) send(u *video.Unit) error {
	captured := u.Meta().Captured
	if err := p.reportIfDue(captured); err != nil {
		return err
	}
	shown := captured.Add(u.Meta().Shown) // RTP's time is the display time (RFC 6184 section 5.1)
	p.packets.begin(shown)
	p.scratch = p.scratch[:0]
	last := p.packets.split(u)
	for i := range last {
		part := &p.packets.parts[i]
		p.count++
		p.octets += uint32(len(part.head) + len(part.payload))
		if p.conn != nil {
			p.scratch = p.packets.interleaved(p.scratch, part, i == last-1)
			continue
		}
		// WritePacketRTP marshals the packet before it returns, so scratch can be reused.
		p.packet = rtp.Packet{Header: p.packets.header(i == last-1), Payload: append(append(p.scratch[:0], part.head...), part.payload...)}
		p.scratch = p.packet.Payload
		if err := p.reader.session.WritePacketRTP(p.media, &p.packet); err != nil {
			p.reader.at.s.readers.missed(p.reader.session, err)
		}
	}
	if p.conn == nil {
		return nil
	}
	_, err := p.conn.Write(p.scratch) // the connection limits how long it may take
	return err
}

// reportIfDue sends a sender report every reportEvery.
func (p *player) reportIfDue(captured time.Time) error {
	now := time.Now()
	if now.Sub(p.report) < reportEvery {
		return nil
	}
	p.report = now
	return p.sendReport(captured)
}

// sendReport sends a sender report.
func (p *player) sendReport(captured time.Time) error {
	const ntpEpoch = 2208988800 // 1970 in NTP's seconds (RFC 5905 section 6)
	nanoseconds := captured.UnixNano()
	err := p.reader.session.WritePacketRTCP(p.media, &rtcp.SenderReport{
		SSRC: p.packets.ssrc, NTPTime: uint64(nanoseconds/1e9+ntpEpoch)<<32 | uint64(nanoseconds%1e9)<<32/1e9,
		RTPTime: p.packets.ticks(captured), PacketCount: p.count, OctetCount: p.octets,
	})
	if err != nil && p.conn == nil {
		return nil // its queue is full
	}
	return err
}

// end closes the session of a reader to which writing failed.
func (p *player) end(err error) {
	level := p.log.Debug
	if errors.Is(err, os.ErrDeadlineExceeded) {
		level = p.log.Info
	}
	level("rtsp: writing failed; reader disconnected", zap.String("address", p.reader.from), zap.Error(err))
	p.reader.session.Close()
	if p.conn != nil { // a message may have been truncated
		p.conn.Close()
	}
}
