package sniff_test

import (
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/sniff"
)

func TestKindsAreNamed(t *testing.T) {
	for data, want := range map[string]string{
		`{"error": "not found"}`:             "JSON",
		"{\n  \"error\": \"not found\"\n}\n": "JSON",
		"{ }":                                "JSON",
		"[\r\n\t{\"a\": 1}]":                 "JSON",
		`["a"]`:                              "JSON",
		"{not JSON}":                         "",
		"{":                                  "",
		"[error] the camera is off":          "",
		"\xef\xbb\xbf\n<!doctype HTML>":      "HTML",
		"<?xml version='1.0'?>":              "XML or SVG",
		"ID3\x04\x00\x00":                    "MP3",
		"P6\n160 120\n255\n":                 "PNM",
		"FLV\x01\x05":                        "FLV",
		"\x00\x00\x01\xba\x44":               "an MPEG program stream",
		"BZh91AY":                            "bzip2",
		"\x28\xb5\x2f\xfd\x04":               "Zstandard",
		"\xfd7zXZ\x00\x00":                   "xz",
		"PK\x03\x04\x14":                     "ZIP",
		"%PDF-1.4":                           "PDF",
		"RIFF\x24\x00\x00\x00WAVEfmt ":       "WAV",
		"RIFF\x24\x00\x00\x00AVI LIST":       "AVI",
		"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00": "QuickTime",
		"\x00\x00\x00\x08mdat":                     "QuickTime or MP4",
		"II*\x00\x08\x00\x00\x00":                  "TIFF",
		"GIF89a":                                   "GIF",
		"BM\x36\xe1\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28": "BMP",
		"\x00\x00\x01\x40\x01\x0c\x01":                           "H.265",
		"\xff\xd8\xff\xe0":                                       "",
		"--boundary\r\nContent-Type: image/jpeg":                 "",
		"HTTP/1.1 200 OK\r\n":                                    "",
		"":                                                       "",
	} {
		if got := sniff.Name([]byte(data)); got != want {
			t.Errorf("%q: %q, want %q", data[:min(len(data), 20)], got, want)
		}
		if got := sniff.Name([]byte(data + strings.Repeat(" ", 1000))); got != want && data != "" {
			t.Errorf("%q, longer: %q, want %q", data[:min(len(data), 20)], got, want)
		}
	}
}
