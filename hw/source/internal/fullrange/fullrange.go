// Package fullrange converts limited-range ("studio") samples to full range: luma 16..235 and chroma 16..240 around 128 become 0..255 (BT.601,
// JFIF). Values outside are clipped.
package fullrange

import (
	"encoding/binary"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
)

// Luma and Chroma map a limited-range sample to full range.
var Luma, Chroma = tables()

func tables() (luma, chroma [256]byte) {
	for v := range 256 {
		luma[v] = clip((float64(v) - 16) * 255 / 219)
		chroma[v] = clip((float64(v)-128)*255/224 + 128)
	}
	return luma, chroma
}

func clip(v float64) byte { return byte(min(255, max(0, v+0.5))) }

// Kind is the kind of samples in a row.
type Kind uint8

const (
	OnlyLuma   Kind = iota // luma
	OnlyChroma             // Cb, Cr, or both alternating
	Mixed                  // luma and chroma alternating, as in YUYV
)

// pairs maps two samples at once, halving the look-ups. The tables of 128 KiB are built on first use.
var pairs = [...]func() *[1 << 16]uint16{
	OnlyLuma:   sync.OnceValue(func() *[1 << 16]uint16 { return pairsOf(&Luma, &Luma) }),
	OnlyChroma: sync.OnceValue(func() *[1 << 16]uint16 { return pairsOf(&Chroma, &Chroma) }),
	Mixed:      sync.OnceValue(func() *[1 << 16]uint16 { return pairsOf(&Luma, &Chroma) }),
}

func pairsOf(even, odd *[256]byte) *[1 << 16]uint16 {
	var p [1 << 16]uint16
	for i := range p {
		p[i] = uint16(even[i&255]) | uint16(odd[i>>8])<<8
	}
	return &p
}

// Convert converts all samples of a YUV or grey frame in place; RGB is left unchanged.
func Convert(f *frame.Frame) {
	for i := range f.Format.Planes() {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		kind := OnlyLuma
		switch {
		case f.Format == frame.YUYV:
			kind = Mixed
		case f.Format == frame.RGB || f.Format == frame.BGR || f.Format == frame.RGBA:
			return
		case i > 0:
			kind = OnlyChroma
		}
		for y := range rows {
			Row(f.Planes[i][y*f.Strides[i]:][:rowBytes], kind)
		}
	}
}

// Row converts one row, which begins with luma if it is mixed.
func Row(row []byte, kind Kind) {
	table := pairs[kind]()
	for len(row) >= 8 { // a load and a store for eight samples
		v := binary.LittleEndian.Uint64(row)
		binary.LittleEndian.PutUint64(row, uint64(table[uint16(v)])|uint64(table[uint16(v>>16)])<<16|
			uint64(table[uint16(v>>32)])<<32|uint64(table[v>>48])<<48)
		row = row[8:]
	}
	for len(row) >= 2 {
		binary.LittleEndian.PutUint16(row, table[binary.LittleEndian.Uint16(row)])
		row = row[2:]
	}
	if len(row) == 1 {
		row[0] = byte(table[row[0]])
	}
}
