package whep

import (
	"sync/atomic"

	"github.com/pion/rtp/codecs"

	"github.com/maixstream/maixstream/pipeline/video"
)

// payloads are the RTP payloads of one access unit. All viewers share them; they are read-only.
type payloads struct {
	log      *video.Log
	sequence uint64
	parts    [][]byte
}

// cutter caches the payloads of the newest units: the first viewer to send a unit cuts it. Two viewers may race to do so; neither waits.
type cutter [8]atomic.Pointer[payloads]

// cut returns the payloads of a unit.
func (c *cutter) cut(log *video.Log, u *video.Unit) [][]byte {
	m := u.Meta()
	slot := &c[m.Sequence%uint64(len(c))]
	if have := slot.Load(); have != nil && have.sequence == m.Sequence && have.log == log {
		return have.parts
	}
	// The payloader wants start codes; parameter sets precede each key frame, for viewers that joined late or lost some.
	annexB := make([]byte, 0, len(u.Bytes())+256)
	if m.Key {
		annexB = append(append(annexB, startCode...), m.Parameters.SPS...)
		annexB = append(append(annexB, startCode...), m.Parameters.PPS...)
	}
	for nal := range u.NALs {
		if kind := nal[0] & 31; kind == 7 || kind == 8 || kind == 9 { // parameter sets were added above; delimiters carry nothing
			continue
		}
		annexB = append(append(annexB, startCode...), nal...)
	}
	made := &payloads{log: log, sequence: m.Sequence, parts: (&codecs.H264Payloader{}).Payload(packetSize, annexB)}
	slot.Store(made)
	return made.parts
}

// forget drops all payloads, once no viewer is left.
func (c *cutter) forget() {
	for i := range c {
		c[i].Store(nil)
	}
}

var startCode = []byte{0, 0, 0, 1}
