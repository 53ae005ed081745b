// Package sniff names kinds of data by their first bytes, so that an error can say what was given in place of a picture.
package sniff

import (
	"bytes"
	"strings"
)

// Enough is how many first bytes Name needs for all that it knows.
const Enough = 400

// signature is what a kind of data has at an offset.
type signature struct {
	at   int
	text string
	name string
}

var signatures = []signature{
	{0, "\x89PNG\r\n\x1a\n", "PNG"},
	{0, "GIF8", "GIF"},
	{8, "WEBP", "WebP"},
	{8, "AVI ", "AVI"},
	{8, "AVI\x19", "AVI"},
	{8, "WAVE", "WAV"},
	{0, "II*\x00", "TIFF"},
	{0, "MM\x00*", "TIFF"},
	{0, "8BPS", "a Photoshop file"},
	{0, "\x00\x00\x00\x0cjP  ", "JPEG 2000"},
	{0, "\xff\x4f\xff\x51", "JPEG 2000"},
	{0, "\xff\x0a", "JPEG XL"},
	{0, "\x00\x00\x00\x0cJXL ", "JPEG XL"},
	{0, "YUV4MPEG2", "Y4M"},
	{0, "\x1a\x45\xdf\xa3", "Matroska or WebM"},
	{0, "FLV\x01", "FLV"},
	{0, "OggS", "Ogg"},
	{0, "DKIF", "IVF (VP8, VP9 or AV1)"},
	{0, "\x00\x00\x01\xba", "an MPEG program stream"},
	{0, "\x00\x00\x01\xb3", "MPEG-1 or MPEG-2 video"},
	{0, "ID3", "MP3"},
	{0, "P5\n", "PNM"},
	{0, "P6\n", "PNM"},
	{0, "\x1f\x8b", "gzip"},
	{0, "BZh", "bzip2"},
	{0, "\xfd7zXZ\x00", "xz"},
	{0, "\x28\xb5\x2f\xfd", "Zstandard"},
	{0, "PK\x03\x04", "ZIP"},
	{0, "7z\xbc\xaf\x27\x1c", "7-Zip"},
	{257, "ustar", "a tar archive"},
	{0, "%PDF-", "PDF"},
	{0, "\x7fELF", "a program (ELF)"},
	{0, "#EXTM3U", "an HLS playlist"},
	{0, "RTSP/", "RTSP"},
}

// Name names the data that begins with head, such as "H.264" or "PNG"; "" when it is not known. JPEG has no name here.
func Name(head []byte) string {
	for _, s := range signatures {
		if len(head) > s.at && bytes.HasPrefix(head[s.at:], []byte(s.text)) && (s.at != 8 || bytes.HasPrefix(head, []byte("RIFF"))) {
			return s.name
		}
	}
	if name := isoMedia(head); name != "" {
		return name
	}
	if name := annexB(head); name != "" {
		return name
	}
	switch {
	case len(head) > 188 && head[0] == 0x47 && head[188] == 0x47:
		return "an MPEG transport stream"
	case len(head) > 196 && head[4] == 0x47 && head[196] == 0x47:
		return "an MPEG transport stream"
	case len(head) > 14 && head[0] == 'B' && head[1] == 'M' && head[6] == 0 && head[7] == 0 && head[8] == 0 && head[9] == 0:
		return "BMP"
	}
	text := strings.ToLower(string(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n")))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<head"):
		return "HTML"
	case strings.HasPrefix(text, "<svg"), strings.HasPrefix(text, "<?xml"):
		return "XML or SVG"
	case isJSON(text):
		return "JSON"
	}
	return ""
}

// isJSON reports whether text begins as a JSON object, or an array of objects, strings or arrays.
func isJSON(text string) bool {
	follows := map[string]string{"{": "\"}", "[": "{[\""}
	if text == "" || follows[text[:1]] == "" {
		return false
	}
	rest := strings.TrimLeft(text[1:], " \t\r\n")
	return rest != "" && strings.ContainsRune(follows[text[:1]], rune(rest[0]))
}

// isoMedia names files of the ISO base media format by their brand.
func isoMedia(head []byte) string {
	if len(head) < 12 || string(head[4:8]) != "ftyp" {
		if len(head) >= 8 && head[0] == 0 && (string(head[4:8]) == "moov" || string(head[4:8]) == "mdat") {
			return "QuickTime or MP4"
		}
		return ""
	}
	switch string(head[8:12]) {
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
		return "HEIC"
	case "avif", "avis":
		return "AVIF"
	case "qt  ":
		return "QuickTime"
	}
	return "MP4"
}

// annexB names a raw H.264 or H.265 stream by its first unit.
func annexB(head []byte) string {
	unit, found := bytes.CutPrefix(bytes.TrimLeft(head, "\x00"), []byte{1}) // any number of zeros may stand before it, but two
	if !found || len(head)-len(unit) < 3 || len(unit) < 2 || unit[0]&0x80 != 0 {
		return ""
	}
	// An H.265 unit's second byte is its layer (0) and temporal number (1 and up); its first ones are parameter sets, a delimiter, SEI or a slice.
	if kind := unit[0] >> 1; (kind >= 32 && kind <= 40 || kind >= 16 && kind <= 21) && unit[0]&1 == 0 && unit[1] == 1 {
		return "H.265"
	}
	switch unit[0] & 31 {
	case 1, 5, 6, 7, 8, 9:
		return "H.264"
	}
	return ""
}
