package rtsp

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/pipeline/video"
)

const (
	rtpHeader = 12
	srtpTag   = 10 // added by gortsplib to encrypted media (RFC 3711 section 3.1)
	// fragment is the type of a NAL unit's fragment (FU-A, RFC 6184 section 5.8).
	fragment = 28
)

// packetizer splits access units into RTP packets (RFC 6184, packetization mode 1) for one reader, whose sequence numbers therefore have no gap
// even if it skips units. It allocates nothing once it has seen the largest unit.
type packetizer struct {
	started  time.Time // RTP time 0
	ssrc     uint32
	sequence uint16
	time     uint32
	channel  byte // over TCP
	parts    []part
}

// part is a packet's payload: a fragment's two-byte header, if it is one, and bytes of a NAL unit.
type part struct {
	head    []byte
	room    [2]byte // backs head
	payload []byte
}

func (p *packetizer) start(started time.Time, ssrc uint32) {
	p.started, p.ssrc, p.sequence = started, ssrc, uint16(rand.Uint32())
}

// ticks converts a time to RTP time; it wraps by design (RFC 3550 section 5.1).
func (p *packetizer) ticks(t time.Time) uint32 {
	return uint32(t.Sub(p.started).Microseconds() * 9 / 100)
}

func (p *packetizer) begin(captured time.Time) { p.time = p.ticks(captured) }

// split fills p.parts, valid while the unit is held, and returns their number.
func (p *packetizer) split(u *video.Unit) int {
	n := 0
	add := func() *part {
		if n == len(p.parts) {
			p.parts = append(p.parts, part{})
		}
		n++
		return &p.parts[n-1]
	}
	const most = packetSize - rtpHeader - srtpTag
	for nal := range u.NALs {
		if len(nal) <= most {
			part := add()
			part.head, part.payload = nil, nal
			continue
		}
		kind := nal[0] & 0x1f
		start := byte(0x80)
		for rest := nal[1:]; len(rest) > 0; {
			size := min(len(rest), most-2)
			end := byte(0)
			if size == len(rest) {
				end = 0x40
			}
			part := add()
			part.room = [2]byte{nal[0]&0xe0 | fragment, start | end | kind}
			part.head, part.payload = part.room[:], rest[:size]
			rest, start = rest[size:], 0
		}
	}
	for i := range n { // append may have moved the array
		if part := &p.parts[i]; part.head != nil {
			part.head = part.room[:]
		}
	}
	return n
}

// header returns the next packet's header.
func (p *packetizer) header(last bool) rtp.Header {
	h := rtp.Header{Version: 2, Marker: last, PayloadType: h264Type, SequenceNumber: p.sequence, Timestamp: p.time, SSRC: p.ssrc}
	p.sequence++
	return h
}

// interleaved appends the next packet in RTSP's interleaved framing (RFC 2326 section 10.12).
func (p *packetizer) interleaved(to []byte, part *part, last bool) []byte {
	kind := byte(h264Type)
	if last {
		kind |= 0x80
	}
	to = append(to, '$', p.channel)
	to = binary.BigEndian.AppendUint16(to, uint16(rtpHeader+len(part.head)+len(part.payload)))
	to = append(to, 0x80, kind)
	to = binary.BigEndian.AppendUint16(to, p.sequence)
	to = binary.BigEndian.AppendUint32(to, p.time)
	to = binary.BigEndian.AppendUint32(to, p.ssrc)
	p.sequence++
	return append(append(to, part.head...), part.payload...)
}
