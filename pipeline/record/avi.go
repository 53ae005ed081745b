package record

import (
	"encoding/binary"
	"time"
)

var _ piece = (*aviPiece)(nil)

// aviPiece is one AVI file of MJPEG: RIFF(AVI) with a header list, a movi list of 00dc chunks and, once it is finished, an idx1 index
// (Microsoft's AVI RIFF File Reference; no OpenDML, so a piece stays below 1 GiB). It can be played at any time: its sizes say "to the
// end of the file" until they are known, and only then.
type aviPiece struct {
	output
	width, height int
	index         []byte
	fps           float64 // a guess, until two frames have come
	largest       int
	chunk         []byte
}

const (
	moviStart   = 220 // "movi"; offsets in idx1 count from here
	headerSize  = 224
	openEnd     = 0x7ffffff0 // a size that ends behind every piece's end
	rateScale   = 1000       // frame rates are in thousandths
	idxKeyFrame = 0x10
)

func newAVI(o output, first *picture, fps float64) (piece, error) {
	p := &aviPiece{output: o, width: first.width, height: first.height, fps: fps}
	return p, p.append(p.header(openEnd, openEnd-headerSize))
}

// header returns the file's first headerSize bytes.
func (p *aviPiece) header(riff, movi uint32) []byte {
	rate := uint32(max(p.rate()*rateScale, 1))
	b := make([]byte, 0, headerSize)
	text := func(s string) { b = append(b, s...) }
	u32 := func(values ...uint32) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	text("RIFF")
	u32(riff)
	text("AVI LIST")
	u32(192)
	text("hdrlavih")
	u32(56, uint32(1e6*rateScale/float64(rate)), uint32(float64(p.largest)*p.rate()), 0, 0x10, uint32(p.frames), 0, 1, uint32(p.largest),
		uint32(p.width), uint32(p.height), 0, 0, 0, 0) // 0x10: has an index
	text("LIST")
	u32(116)
	text("strlstrh")
	u32(56)
	text("vidsMJPG")
	u32(0, 0, 0, rateScale, rate, 0, uint32(p.frames), uint32(p.largest), 0xffffffff, 0)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.width))
	b = binary.LittleEndian.AppendUint16(b, uint16(p.height))
	text("strf")
	u32(40, 40, uint32(p.width), uint32(p.height), 1|24<<16)
	text("MJPG")
	u32(uint32(p.width*p.height*3), 0, 0, 0, 0)
	text("LIST")
	u32(movi)
	text("movi")
	return b
}

// rate is frames a second, on average: an AVI has one rate for all of its frames.
func (p *aviPiece) rate() float64 {
	if p.frames > 1 && p.elapsed > 0 {
		return float64(p.frames-1) / p.elapsed.Seconds()
	}
	return p.fps
}

// takes reports whether a picture fits this file.
func (p *aviPiece) takes(f *picture) bool { return p.width == f.width && p.height == f.height }

// need returns how much a picture adds to the file, including its index entry.
func (p *aviPiece) need(f *picture) int64 { return int64(len(f.bytes)) + 8 + 1 + 16 }

// add appends a picture in one write; step is its time since the one before.
func (p *aviPiece) add(f *picture, step time.Duration) error {
	p.chunk = append(p.chunk[:0], "00dc"...)
	p.chunk = binary.LittleEndian.AppendUint32(p.chunk, uint32(len(f.bytes)))
	p.chunk = append(p.chunk, f.bytes...)
	if len(f.bytes)%2 != 0 {
		p.chunk = append(p.chunk, 0)
	}
	at := p.size
	if err := p.append(p.chunk); err != nil {
		return err
	}
	p.index = append(p.index, "00dc"...)
	p.index = binary.LittleEndian.AppendUint32(p.index, idxKeyFrame)
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(at-moviStart))
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(len(f.bytes)))
	p.count(step)
	p.largest = max(p.largest, len(f.bytes))
	return nil
}

// total is the file's size once it is finished.
func (p *aviPiece) total() int64 { return p.size + 8 + int64(len(p.index)) }

// refresh writes the rate and the number of frames so far into the header, so that a piece that is cut off plays at its right speed.
func (p *aviPiece) refresh() error {
	return p.overwrite(p.header(openEnd, openEnd-headerSize))
}

// finish writes the index and the sizes.
func (p *aviPiece) finish(dropOldest func() (bool, error)) error {
	index := binary.LittleEndian.AppendUint32([]byte("idx1"), uint32(len(p.index)))
	return p.end(append(index, p.index...), p.header(uint32(p.total()-8), uint32(p.size-moviStart)), dropOldest)
}
