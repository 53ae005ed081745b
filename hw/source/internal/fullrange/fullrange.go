// Package fullrange makes full-range samples of limited ("studio") range ones: luma 16..235 and chroma 16..240 around 128 become 0..255 (BT.601,
// JFIF). What lies outside is clipped.
package fullrange

import (
	"encoding/binary"

	"github.com/maixstream/maixstream/hw/frame"
)

// Luma and Chroma map a sample of limited range to full range.
var Luma, Chroma = tables()

func tables() (luma, chroma [256]byte) {
	for v := range 256 {
		luma[v] = clip((float64(v) - 16) * 255 / 219)
		chroma[v] = clip((float64(v)-128)*255/224 + 128)
	}
	return luma, chroma
}

func clip(v float64) byte { return byte(min(255, max(0, v+0.5))) }

// Convert changes all samples of a luma and chroma frame in place; RGB stays as it is.
func Convert(f *frame.Frame) {
	for i := range f.Format.Planes() {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		even, odd := &Luma, &Luma
		switch {
		case f.Format == frame.YUYV:
			odd = &Chroma
		case f.Format == frame.RGB || f.Format == frame.BGR || f.Format == frame.RGBA:
			return
		case i > 0:
			even, odd = &Chroma, &Chroma
		}
		for y := range rows {
			Row(f.Planes[i][y*f.Strides[i]:][:rowBytes], even, odd)
		}
	}
}

// Row maps the bytes at even places by even, those at odd places by odd.
func Row(row []byte, even, odd *[256]byte) {
	for len(row) >= 8 { // a load and a store for eight bytes
		v := binary.LittleEndian.Uint64(row)
		binary.LittleEndian.PutUint64(row, uint64(even[byte(v)])|uint64(odd[byte(v>>8)])<<8|
			uint64(even[byte(v>>16)])<<16|uint64(odd[byte(v>>24)])<<24|uint64(even[byte(v>>32)])<<32|
			uint64(odd[byte(v>>40)])<<40|uint64(even[byte(v>>48)])<<48|uint64(odd[byte(v>>56)])<<56)
		row = row[8:]
	}
	for i, v := range row {
		if i&1 == 0 {
			row[i] = even[v]
		} else {
			row[i] = odd[v]
		}
	}
}
