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

// reportEvery is how often a reader is told which RTP time is which time of day (RFC 3550 section 6.2).
const reportEvery = 5 * time.Second

// player sends one reader the units of a media that has a goroutine for each.
//
// Over TCP a whole unit is written to the connection at once, beside gortsplib, whose own writes are whole messages, too: for all readers together (see together),
// and under TLS by each player. So a reader that takes nothing blocks
// its player, which then goes on with what is new, and nothing queues up for it. UDP never blocks, and goes through gortsplib.
type player struct {
	reader  *reader
	media   *description.Media
	conn    net.Conn // media goes over it; nil: through gortsplib
	own     *conn    // the same, if nothing is between it and media; else nil
	stall   time.Duration
	packets packetizer
	scratch []byte // the unit as it goes over TCP
	packet  rtp.Packet
	octets  uint32 // of payload sent
	count   uint32 // packets sent
	report  time.Time
	log     *zap.Logger
	before  *player       // of the same reader, until it paused
	done    chan struct{} // closed when it has ended
}

// setupOf is what PLAY needs to know of SETUP: the channel for media over TCP.
type setupOf struct{ channel byte }

// channelOf is the channel that gortsplib chooses for a session's first media: the one that is asked for, or 0.
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

// newPlayer readies what a reader is sent. started is closed when the reply to its PLAY has been written.
func (i *instance) newPlayer(c *gortsplib.ServerHandlerOnPlayCtx, one *reader) (p *player, started <-chan struct{}) {
	stream := i.streams[one.media]
	p = &player{
		reader: one, media: one.media.description, stall: i.s.config.StallTimeout, log: i.s.config.Log,
		before: one.player, done: make(chan struct{}),
	}
	p.packets.start(i.s.started, stream.Stats().Medias[p.media].Formats[p.media.Formats[0]].LocalSSRC)
	own := connOf(c.Conn.NetConn())
	transport := c.Session.Transport()
	if own != nil && transport.Protocol == gortsplib.ProtocolTCP && transport.Profile == headers.TransportProfileAVP {
		p.conn = c.Conn.NetConn()
		p.packets.channel = one.setup.channel
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

// connOf finds this package's connection in what gortsplib has made of it; nil if it is something else.
func connOf(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// run plays from when the reader has the reply to its PLAY until ctx ends.
func (p *player) run(ctx, server context.Context, started <-chan struct{}, play func(context.Context, *player)) {
	defer close(p.done)
	if p.before != nil { // its numbers go on
		<-p.before.done
		p.packets.sequence, p.count, p.octets = p.before.packets.sequence, p.before.count, p.before.octets
		p.before = nil
	}
	select {
	case <-started:
	case <-ctx.Done():
		return
	}
	if p.conn != nil { // a write that waits must not hold up the server's end
		defer context.AfterFunc(server, func() { p.conn.Close() })()
	}
	play(ctx, p)
}

// send sends one unit.
func (p *player) send(u *video.Unit) error {
	captured := u.Meta().Captured
	if err := p.tellTimeNow(captured); err != nil {
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
		// gortsplib marshals it before it returns.
		p.packet = rtp.Packet{Header: p.packets.header(i == last-1), Payload: append(append(p.scratch[:0], part.head...), part.payload...)}
		p.scratch = p.packet.Payload
		if err := p.reader.session.WritePacketRTP(p.media, &p.packet); err != nil {
			p.reader.at.s.readers.missed(p.reader.session, err)
		}
	}
	if p.conn == nil {
		return nil
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.stall))
	_, err := p.conn.Write(p.scratch)
	return err
}

// tellTimeNow sends a report of the sender when it is time for one.
func (p *player) tellTimeNow(captured time.Time) error {
	now := time.Now()
	if now.Sub(p.report) < reportEvery {
		return nil
	}
	p.report = now
	return p.tellTime(captured)
}

// tellTime sends a report of the sender.
func (p *player) tellTime(captured time.Time) error {
	const ntpEpoch = 2208988800 // 1970 in NTP's seconds (RFC 5905 section 6)
	nanoseconds := captured.UnixNano()
	err := p.reader.session.WritePacketRTCP(p.media, &rtcp.SenderReport{
		SSRC: p.packets.ssrc, NTPTime: uint64(nanoseconds/1e9+ntpEpoch)<<32 | uint64(nanoseconds%1e9)<<32/1e9,
		RTPTime: p.packets.ticks(captured), PacketCount: p.count, OctetCount: p.octets,
	})
	if err != nil && p.conn == nil {
		return nil // a queue that is full
	}
	return err
}

// end closes the session of a reader that cannot be sent anything any more.
func (p *player) end(err error) {
	level := p.log.Debug
	if errors.Is(err, os.ErrDeadlineExceeded) {
		level = p.log.Info
	}
	level("rtsp: reader ended", zap.String("address", p.reader.from), zap.Error(err))
	p.reader.session.Close()
	if p.conn != nil { // a message may have been cut off
		p.conn.Close()
	}
}
