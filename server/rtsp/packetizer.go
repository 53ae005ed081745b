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
	srtpTag   = 10 // that gortsplib adds where media is encrypted (RFC 3711 section 3.1)
	// fragment is the type of a NAL unit's part (FU-A, RFC 6184 section 5.8).
	fragment = 28
)

// packetizer makes RTP packets of access units (RFC 6184, packetization mode 1) for one reader, whose sequence numbers so have no gap whatever it skips. It
// allocates nothing once it has had a large unit.
type packetizer struct {
	started  time.Time // RTP time 0
	ssrc     uint32
	sequence uint16
	time     uint32
	channel  byte // over TCP
	parts    []part
}

// part is a packet's payload: two bytes of a fragment's header, if it is one, and bytes of a NAL unit.
type part struct {
	head    []byte
	room    [2]byte // head's
	payload []byte
}

func (p *packetizer) start(started time.Time, ssrc uint32) {
	p.started, p.ssrc, p.sequence = started, ssrc, uint16(rand.Uint32())
}

// ticks is the RTP time of a time; it wraps by design (RFC 3550 section 5.1).
func (p *packetizer) ticks(t time.Time) uint32 {
	return uint32(t.Sub(p.started).Microseconds() * 9 / 100)
}

func (p *packetizer) begin(captured time.Time) { p.time = p.ticks(captured) }

// split makes a unit's parts, valid as long as the unit is held, and returns how many there are.
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
			one := add()
			one.head, one.payload = nil, nal
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
			one := add()
			one.room = [2]byte{nal[0]&0xe0 | fragment, start | end | kind}
			one.head, one.payload = one.room[:], rest[:size]
			rest, start = rest[size:], 0
		}
	}
	for i := range n { // the slice may have moved since
		if one := &p.parts[i]; one.head != nil {
			one.head = one.room[:]
		}
	}
	return n
}

// header is the next packet's.
func (p *packetizer) header(last bool) rtp.Header {
	h := rtp.Header{Version: 2, Marker: last, PayloadType: h264Type, SequenceNumber: p.sequence, Timestamp: p.time, SSRC: p.ssrc}
	p.sequence++
	return h
}

// interleaved appends the next packet as it goes over RTSP's connection (RFC 2326 section 10.12).
func (p *packetizer) interleaved(to []byte, one *part, last bool) []byte {
	kind := byte(h264Type)
	if last {
		kind |= 0x80
	}
	to = append(to, '$', p.channel)
	to = binary.BigEndian.AppendUint16(to, uint16(rtpHeader+len(one.head)+len(one.payload)))
	to = append(to, 0x80, kind)
	to = binary.BigEndian.AppendUint16(to, p.sequence)
	to = binary.BigEndian.AppendUint32(to, p.time)
	to = binary.BigEndian.AppendUint32(to, p.ssrc)
	p.sequence++
	return append(append(to, one.head...), one.payload...)
}
