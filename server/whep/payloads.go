package whep

import (
	"sync/atomic"

	"github.com/pion/rtp/codecs"

	"github.com/maixstream/maixstream/pipeline/video"
)

// payloads are an access unit cut into what packets carry. They are the same for all viewers, who write them not.
type payloads struct {
	log      *video.Log
	sequence uint64
	parts    [][]byte
}

// cutter keeps the payloads of the newest units: the first viewer that sends one cuts it. Two that come at the same time may both do so; neither waits.
type cutter [8]atomic.Pointer[payloads]

// cut returns the payloads of a unit of a log.
func (c *cutter) cut(log *video.Log, u *video.Unit) [][]byte {
	m := u.Meta()
	slot := &c[m.Sequence%uint64(len(c))]
	if have := slot.Load(); have != nil && have.sequence == m.Sequence && have.log == log {
		return have.parts
	}
	// The payloader takes a stream with start codes; parameter sets lead each key frame, for a viewer that joined late or lost some.
	annexB := make([]byte, 0, len(u.Bytes())+256)
	if m.Key {
		annexB = append(append(annexB, startCode...), m.Parameters.SPS...)
		annexB = append(append(annexB, startCode...), m.Parameters.PPS...)
	}
	for nal := range u.NALs {
		if kind := nal[0] & 31; kind == 7 || kind == 8 || kind == 9 { // parameter sets are there already, delimiters say nothing
			continue
		}
		annexB = append(append(annexB, startCode...), nal...)
	}
	made := &payloads{log: log, sequence: m.Sequence, parts: (&codecs.H264Payloader{}).Payload(packetSize, annexB)}
	slot.Store(made)
	return made.parts
}

// forget drops all payloads, when nobody is left who would send them.
func (c *cutter) forget() {
	for i := range c {
		c[i].Store(nil)
	}
}

var startCode = []byte{0, 0, 0, 1}
