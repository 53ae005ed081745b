//go:build !nopublish

package publish

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"

	"github.com/maixstream/maixstream/pipeline/video"
)

const (
	payloadType = 96 // dynamic (RFC 3551 section 3)
	clockRate   = 90000
	// reportEvery is how often the server is told which RTP time is which time of day (RFC 3550 section 6.2).
	reportEvery = 5 * time.Second
)

// rtsp is a connection to an RTSP server. Media goes over the same connection (RFC 2326 section 10.12). It is written beside the library, whose own writes are
// whole messages, too: its queue would hold what is old by the time that it is sent, and drop packets.
type rtsp struct {
	url     *base.URL
	client  *gortsplib.Client
	conn    net.Conn
	channel byte
	encoder rtph264.Encoder
	ssrc    uint32
	au      [][]byte // scratch
	buffer  []byte   // a unit as it goes over the connection
	packets uint32   // sent
	octets  uint32   // of payload
	report  time.Time
	newest  time.Time // capture time of the last unit
	ticks   uint32    // and its RTP time
	closing sync.Once
}

// connectRTSP connects and asks what the server can do.
func connectRTSP(ctx context.Context, d dialer) (connection, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	r := &rtsp{conn: conn}
	if r.url, err = base.ParseURL(d.target.url.String()); err != nil {
		conn.Close()
		return nil, errForm
	}
	var given bool
	transport := gortsplib.ProtocolTCP
	r.client = &gortsplib.Client{
		// The connection has TLS if it is to have it: the library would keep what it makes of one to itself.
		Scheme: "rtsp", Host: r.url.Host, Protocol: &transport, ReadTimeout: connectWithin, WriteTimeout: d.stall, DisableRTCPSenderReports: true,
		UserAgent: "maixstream", OnTransportSwitch: func(error) {}, OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if given {
				return nil, errClosed
			}
			given = true
			return conn, nil
		},
	}
	if err := r.client.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	defer context.AfterFunc(ctx, r.close)()
	if _, err := r.client.Options(r.url); err != nil {
		r.close()
		return nil, explainRTSP(err)
	}
	return r, nil
}

// begin implements connection: it announces the stream and starts it.
func (r *rtsp) begin(ctx context.Context, parameters *video.Parameters) error {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	defer context.AfterFunc(ctx, r.close)()
	media := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{
		&format.H264{PayloadTyp: payloadType, PacketizationMode: 1, SPS: parameters.SPS, PPS: parameters.PPS},
	}}
	if _, err := r.client.Announce(r.url, &description.Session{Medias: []*description.Media{media}}); err != nil {
		return explainRTSP(err)
	}
	setup, err := r.client.Setup(r.url, media, 0, 0)
	if err != nil {
		return explainRTSP(err)
	}
	var transport headers.Transport
	if err := transport.Unmarshal(setup.Header["Transport"]); err == nil && transport.InterleavedIDs != nil {
		r.channel = byte(transport.InterleavedIDs[0])
	}
	if _, err := r.client.Record(); err != nil {
		return explainRTSP(err)
	}
	var ssrc [4]byte
	_, _ = rand.Read(ssrc[:]) // it does not fail
	r.ssrc = binary.BigEndian.Uint32(ssrc[:])
	r.encoder = rtph264.Encoder{PayloadType: payloadType, SSRC: &r.ssrc, PacketizationMode: 1}
	if err := r.encoder.Init(); err != nil {
		return err
	}
	return nil
}

// change implements connection: each key frame has its parameter sets before it.
func (*rtsp) change(*video.Parameters, time.Duration) error { return nil }

// write implements connection.
func (r *rtsp) write(u *video.Unit, at time.Duration) error {
	r.au = r.au[:0]
	for nal := range u.NALs {
		r.au = append(r.au, nal)
	}
	packets, err := r.encoder.Encode(r.au)
	if err != nil {
		return fmt.Errorf("RTP: %w", err)
	}
	ticks := uint32(at.Microseconds() * (clockRate / 1000) / 1000) // it wraps by design (RFC 3550 section 5.1)
	r.newest, r.ticks = u.Meta().Captured, ticks
	r.buffer = r.buffer[:0]
	if now := time.Now(); now.Sub(r.report) >= reportEvery {
		r.report = now
		if err := r.tellTime(u.Meta().Captured, ticks); err != nil {
			return err
		}
	}
	display := ticks + uint32(u.Meta().Shown.Microseconds()*(clockRate/1000)/1000) // RFC 6184 section 5.1
	for _, p := range packets {
		p.Timestamp = display
		size := p.MarshalSize()
		r.buffer = append(r.buffer, '$', r.channel)
		r.buffer = binary.BigEndian.AppendUint16(r.buffer, uint16(size))
		from := len(r.buffer)
		r.buffer = append(r.buffer, make([]byte, size)...)
		if _, err := p.MarshalTo(r.buffer[from:]); err != nil {
			return fmt.Errorf("RTP: %w", err)
		}
		r.packets++
		r.octets += uint32(len(p.Payload))
	}
	_, err = r.conn.Write(r.buffer)
	return err
}

// keep implements connection: it says again which time it is.
func (r *rtsp) keep(since time.Duration) error {
	r.buffer = r.buffer[:0]
	if err := r.tellTime(r.newest.Add(since), r.ticks+uint32(since.Milliseconds()*(clockRate/1000))); err != nil { // it wraps by design
		return err
	}
	_, err := r.conn.Write(r.buffer)
	return err
}

// tellTime appends a report of the sender.
func (r *rtsp) tellTime(captured time.Time, ticks uint32) error {
	const ntpEpoch = 2208988800 // 1970 in NTP's seconds (RFC 5905 section 6)
	nanoseconds := captured.UnixNano()
	text, err := (&rtcp.SenderReport{
		SSRC: r.ssrc, NTPTime: uint64(nanoseconds/1e9+ntpEpoch)<<32 | uint64(nanoseconds%1e9)<<32/1e9, RTPTime: ticks, PacketCount: r.packets, OctetCount: r.octets,
	}).Marshal()
	if err != nil {
		return fmt.Errorf("RTCP: %w", err)
	}
	r.buffer = append(r.buffer, '$', r.channel+1)
	r.buffer = binary.BigEndian.AppendUint16(r.buffer, uint16(len(text)))
	r.buffer = append(r.buffer, text...)
	return nil
}

// wait implements connection.
func (r *rtsp) wait() error { return explainRTSP(r.client.Wait()) }

// close closes the connection first: what the library would say at the end could block.
func (r *rtsp) close() {
	r.closing.Do(func() {
		r.conn.Close()
		r.client.Close()
	})
}

// explainRTSP says what a server's reply means.
func explainRTSP(err error) error {
	var status liberrors.ErrClientBadStatusCode
	switch {
	case errors.As(err, &status):
		text := fmt.Sprintf("the server replied %d %s", int(status.Code), oneLine(status.Message))
		switch status.Code {
		case base.StatusUnauthorized, base.StatusForbidden:
			text += ": it wants a user and password that may publish here"
		case base.StatusNotFound:
			text += ": it has no such path"
		case base.StatusMethodNotAllowed, base.StatusNotImplemented:
			text += ": it does not take streams"
		}
		return &saidError{text}
	case hungUp(err):
		return errClosed
	}
	return err
}
