// Package casetest has odd pictures that others show, for tests: a red, green, blue and white pattern of 160x120 pixels, and what cameras,
// phones and editors do to files.
package casetest

import (
	"bytes"
	"embed"
	"encoding/binary"
	"testing"
)

//go:embed cases
var files embed.FS

// Read returns a file of cases: base.jpg (as cjpeg writes it), noeoi.jpg (no end-of-image marker), junk_hdr.jpg (stray bytes between segments), odd1.jpg (sampling
// factors 2x2, 1x1, 1x2), mpf.jpg (a second, smaller picture behind the first), pano.jpg (12000x2000 in its header), ori6.jpg and ori6com.jpg (Exif
// orientation 6, after a comment), alpha.png (transparent on the left, with red beneath). And of Films.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := files.ReadFile("cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// JPEG is a JPEG that browsers and ffmpeg show.
type JPEG struct {
	Name          string
	Data          []byte
	Width, Height int
	// Strict says that any decoder takes the bytes as they are.
	Strict bool
	// Huge says that the picture is larger than what is decoded.
	Huge bool
}

// Shown returns JPEGs that others show: the files, and neighbours made of them.
func Shown(t testing.TB) []JPEG {
	t.Helper()
	base := Read(t, "base.jpg")
	at := func(marker byte) int { return bytes.Index(base, []byte{0xff, marker}) }
	insert := func(pos int, b ...byte) []byte { return bytes.Join([][]byte{base[:pos], b, base[pos:]}, nil) }
	exif := func(order binary.AppendByteOrder, kind uint16) []byte { return insert(2, Exif(order, kind, 6)...) }
	junk := bytes.Repeat([]byte{0x55, 0}, 500)
	list := []JPEG{
		{Name: "as cjpeg writes it", Data: base, Strict: true},
		{Name: "no end marker", Data: Read(t, "noeoi.jpg")},
		{Name: "no end marker, but its first byte", Data: base[:len(base)-1]},
		{Name: "stray bytes in the header", Data: Read(t, "junk_hdr.jpg")},
		{Name: "stray bytes behind SOI", Data: insert(2, 0, 0, 0)},
		{Name: "stray bytes before the frame header", Data: insert(at(0xc0), junk...)},
		{Name: "stray bytes before the scan", Data: insert(at(0xda), 1, 2, 3)},
		{Name: "stuffed byte in the header", Data: insert(at(0xdb), 0xff, 0)},
		{Name: "restart marker in the header", Data: insert(at(0xdb), 0xff, 0xd3)},
		{Name: "stray bytes and no end marker", Data: Read(t, "junk_hdr.jpg")[:len(base)]},
		{Name: "fill bytes", Data: insert(at(0xc0), 0xff, 0xff, 0xff), Strict: true},
		{Name: "bytes behind it", Data: append(bytes.Clone(base), "trailing bytes"...), Strict: true},
		{Name: "sampling factors 2x2, 1x1, 1x2", Data: Read(t, "odd1.jpg"), Strict: true},
		{Name: "two pictures", Data: Read(t, "mpf.jpg"), Strict: true},
		{Name: "wide", Data: Read(t, "pano.jpg"), Width: 12000, Height: 2000, Strict: true, Huge: true},
		{Name: "orientation", Data: Read(t, "ori6.jpg"), Strict: true},
		{Name: "orientation behind a comment", Data: Read(t, "ori6com.jpg"), Strict: true},
		{Name: "orientation as LONG, big-endian", Data: exif(binary.BigEndian, 4), Strict: true},
		{Name: "orientation as SHORT, big-endian", Data: exif(binary.BigEndian, 3), Strict: true},
		{Name: "orientation as LONG, little-endian", Data: exif(binary.LittleEndian, 4), Strict: true},
	}
	for i := range list {
		if list[i].Width == 0 {
			list[i].Width, list[i].Height = 160, 120
		}
	}
	return list
}

// Film is a file of 12 pictures of 160x120 pixels.
type Film struct {
	Name string  // of the file, for Read
	FPS  float64 // 0: the file does not say
}

// Films returns films that others play: AVI of 5 and 60 frames a second; one whose stream's handler is 0, so that only its format names the codec; one whose odd
// chunks have no padding; and plain JPEGs without their end-of-image markers.
func Films() []Film {
	return []Film{{"fps5.avi", 5}, {"fps60.avi", 60}, {"handler0.avi", 10}, {"nopad.avi", 10}, {"noeoi.mjpeg", 0}}
}

// Exif returns an APP1 segment with nothing but an orientation, as a SHORT (kind 3) or LONG (4).
func Exif(order binary.AppendByteOrder, kind uint16, orientation uint16) []byte {
	tiff := []byte("II*\x00")
	if order.String() == "BigEndian" {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, kind)
	tiff = order.AppendUint32(tiff, 1)
	if kind == 4 {
		tiff = order.AppendUint32(tiff, uint32(orientation))
	} else {
		tiff = order.AppendUint16(tiff, orientation)
		tiff = order.AppendUint16(tiff, 0)
	}
	tiff = order.AppendUint32(tiff, 0)
	body := append([]byte("Exif\x00\x00"), tiff...)
	return append([]byte{0xff, 0xe1, 0, byte(len(body) + 2)}, body...)
}
