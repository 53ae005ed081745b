package upload

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func FuzzFileName(f *testing.F) {
	f.Add("093015.250-000001.jpg")
	f.Add("235960.000-1.png")
	f.Add("../../x.jpg")
	f.Fuzz(func(t *testing.T, name string) {
		ms, sequence, format, ok := parseFileName(name)
		if !ok {
			return
		}
		if again := fileNameOf(ms, sequence, format); again != name || ms >= 24*3600*1000 || strings.ContainsAny(name, `/\`) {
			t.Errorf("%q is parsed as %d %d %d, which is %q", name, ms, sequence, format, again)
		}
	})
}

func FuzzDeviceName(f *testing.F) {
	for _, name := range []string{"cam-1", "..", "a/b", ".x", "fe80--1", "é", "a\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkDevice(name) == nil && (!filepath.IsLocal(name) || filepath.Base(name) != name || len(name) > 255 || name[0] == '.') {
			t.Errorf("%q is accepted as a device name", name)
		}
	})
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte(pngSignature + "\x00\x00\x00\x0dIHDR"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 20
		found, err := inspect(data, most)
		if err == nil && (found.size < 8 || found.size > len(data) || found.width*found.height > most || found.width*found.height < 1) {
			t.Errorf("%d bytes are %+v", len(data), found)
		}
	})
}

func TestFileNamesRoundTrip(t *testing.T) {
	for _, c := range []struct {
		ms       uint32
		sequence uint64
		format   format
		name     string
	}{
		{0, 0, jpegFormat, "000000.000-000000.jpg"},
		{34215250, 42, jpegFormat, "093015.250-000042.jpg"},
		{86399999, 1<<63 - 1, pngFormat, "235959.999-9223372036854775807.png"},
		{86399999, 1 << 63, pngFormat, "235959.999-9223372036854775808.png"}, // the server's own, after a sender's last one
	} {
		if name := fileNameOf(c.ms, c.sequence, c.format); name != c.name {
			t.Errorf("%s, want %s", name, c.name)
		}
		if ms, sequence, format, ok := parseFileName(c.name); !ok || ms != c.ms || sequence != c.sequence || format != c.format {
			t.Errorf("%s is parsed as %d %d %d %v", c.name, ms, sequence, format, ok)
		}
	}
}

func TestPictureTimes(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     now,
		"1763769600":           time.Unix(1763769600, 0),
		"1763769600.25":        time.Unix(1763769600, 250e6),
		"1763769600.000001":    time.Unix(1763769600, 1000),
		"1763769600.123456789": time.Unix(1763769600, 123456000),
		"0":                    now, // never set
		"4000000000":           now, // far ahead
	} {
		if got, err := timeOf(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
}
