package rtsp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/video"
)

// unitOf passes NAL units through a log, as a packetizer receives them.
func unitOf(t testing.TB, nals ...[]byte) *video.Unit {
	t.Helper()
	log, err := video.New(video.Config{})
	if err != nil {
		t.Fatal(err)
	}
	parameters := [][]byte{{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}, {0x68, 0xce, 0x3c, 0x80}}
	if err := log.Append(&frame.AccessUnit{Key: true, Captured: time.Now(), NALs: append(parameters, nals...)}); err != nil {
		t.Fatal(err)
	}
	var u video.Unit
	if !log.NewReader(0).TryNext(&u) {
		t.Fatal("no unit")
	}
	return &u
}

// Whatever the sizes of the NAL units, another implementation reassembles them from the packets, over TCP and UDP.
func TestPacketsAreReassembled(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	const most = packetSize - rtpHeader - srtpTag
	sizes := []int{2, most - 1, most, most + 1, 2*most - 5, 2*most - 4, 2*most - 3, 2*most - 2, 200_000}
	for range 200 {
		sizes = append(sizes, 2+rnd.IntN(20_000))
	}
	decoder := &rtph264.Decoder{PacketizationMode: 1}
	if err := decoder.Init(); err != nil {
		t.Fatal(err)
	}
	var p packetizer
	p.start(time.Now().Add(-time.Hour), 0x12345678)
	p.channel = 2
	sequence := p.sequence
	for i, size := range sizes {
		nal := make([]byte, size)
		for j := range nal {
			nal[j] = byte(rnd.Uint32())
		}
		nal[0] = 0x65
		u := unitOf(t, nal)
		captured := u.Meta().Captured
		p.begin(captured)
		n := p.split(u)
		var got [][]byte
		for k := range n {
			b := p.interleaved(nil, &p.parts[k], k == n-1)
			if b[0] != '$' || b[1] != 2 || int(b[2])<<8|int(b[3]) != len(b)-4 || len(b)-4 > packetSize-srtpTag {
				t.Fatalf("unit %d, packet %d: % x", i, k, b[:4])
			}
			var packet rtp.Packet
			if err := packet.Unmarshal(b[4:]); err != nil {
				t.Fatal(err)
			}
			if packet.SequenceNumber != sequence || packet.SSRC != 0x12345678 || packet.PayloadType != 96 || packet.Marker != (k == n-1) || packet.Timestamp != p.ticks(captured) {
				t.Fatalf("unit %d, packet %d: %+v", i, k, packet.Header)
			}
			sequence++
			nals, err := decoder.Decode(&packet)
			if err == nil {
				got = nals
			} else if k == n-1 {
				t.Fatalf("unit %d of %d bytes: %v", i, size, err)
			}
		}
		if len(got) != 3 || !bytes.Equal(got[2], nal) {
			t.Fatalf("unit %d of %d bytes: got %d NAL units", i, size, len(got))
		}
		u.Release()
	}
}

func TestPacketizerAllocatesNothing(t *testing.T) {
	u := unitOf(t, bytes.Repeat([]byte{0x65}, 30_000))
	var p packetizer
	p.start(time.Now(), 1)
	var scratch []byte
	if n := testing.AllocsPerRun(100, func() {
		p.begin(u.Meta().Captured)
		scratch = scratch[:0]
		n := p.split(u)
		for i := range n {
			scratch = p.interleaved(scratch, &p.parts[i], i == n-1)
		}
	}); n != 0 {
		t.Errorf("%v allocations per unit", n)
	}
}
