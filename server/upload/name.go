package upload

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

// maxDeviceName is in bytes; file systems allow 255.
const maxDeviceName = 64

// checkDevice validates a device name, which becomes a directory name.
func checkDevice(name string) error {
	if name != "" && name[0] == '-' {
		return fmt.Errorf("device name %q: must not begin with %q", name, name[:1])
	}
	return checkStored(name)
}

// checkStored is checkDevice for an existing directory: earlier versions named senders without a name by addresses that may begin with a hyphen.
func checkStored(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("empty device name")
	case len(name) > maxDeviceName:
		return fmt.Errorf("device name of %d characters: at most %d", len(name), maxDeviceName)
	case name[0] == '.':
		return fmt.Errorf("device name %q: must not begin with %q", name, name[:1])
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("device name %q: only letters a to z, digits, '-', '_' and '.' are allowed", name)
		}
	}
	return nil
}

// deviceOf returns the device that sent r: ?device=, else the header X-Device, else the directory of PUT /upload/DEVICE/NAME; named reports whether one
// of these was given. Otherwise it is derived from from, the address r comes from.
func deviceOf(r *http.Request, from netip.Addr) (name string, named bool, err error) {
	where := ""
	folder, _, inFolder := strings.Cut(r.PathValue("name"), "/")
	if q := r.URL.Query(); q.Has("device") {
		name, where = q.Get("device"), "?device="
	} else if h, ok := r.Header["X-Device"]; ok {
		name, where = h[0], "X-Device"
	} else if inFolder {
		name, where = folder, r.URL.Path
	}
	if where != "" {
		if err := checkDevice(name); err != nil {
			return "", true, fmt.Errorf("%s: %w", where, err)
		}
		return name, true, nil
	}
	return nameOf(from), false, nil
}

// nameOf derives a device name from an address: without a zone, and with hyphens for IPv6's colons. A leading 0 is the same address (RFC 4291, 2.2).
func nameOf(address netip.Addr) string {
	if !address.IsValid() {
		return "local" // a Unix socket
	}
	name := strings.ReplaceAll(address.Unmap().WithZone("").String(), ":", "-")
	if name[0] == '-' {
		name = "0" + name
	}
	return name
}

// Pictures from clocks that were never set, or that are ahead, get the time they arrived.
var earliest = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// latest is for a server whose clock was never set: it must trust its senders.
var latest = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

const ahead = 5 * time.Minute

// timeOf returns a picture's time: X-Timestamp if plausible, else now.
func timeOf(timestamp string, now time.Time) (time.Time, error) {
	if timestamp == "" {
		return now, nil
	}
	t, err := stamp.Parse(timestamp)
	if err != nil {
		return time.Time{}, fmt.Errorf("X-Timestamp %.40q: %w", timestamp, err)
	}
	last := now.Add(ahead)
	if now.Before(earliest) {
		last = latest
	}
	if t.Before(earliest) || t.After(last) {
		return now, nil
	}
	return t, nil
}

// sequenceOf returns X-Sequence; ok is false if it is missing.
func sequenceOf(text string) (n uint64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.ParseUint(text, 10, 64)
	if err != nil || n > math.MaxInt64 || text[0] == '+' {
		return 0, false, fmt.Errorf("X-Sequence %.40q: want a whole number", text)
	}
	return n, true, nil
}

// format is a picture's file format.
type format uint8

const (
	jpegFormat format = iota
	pngFormat
)

func (f format) extension() string { return [...]string{".jpg", ".png"}[f] }
func (f format) mime() string      { return [...]string{"image/jpeg", "image/png"}[f] }

const dayLayout = time.DateOnly

// fileNameOf is a picture's name in its day's directory: HHMMSS.mmm-SEQ.jpg, SEQ with at least 6 digits. ms is the time of day.
func fileNameOf(ms uint32, sequence uint64, f format) string {
	s := ms / 1000
	dst := appendPadded(nil, uint64(s/3600*10000+s/60%60*100+s%60), 6)
	dst = append(dst, '.')
	dst = appendPadded(dst, uint64(ms%1000), 3)
	dst = append(dst, '-')
	dst = appendPadded(dst, sequence, 6)
	return string(append(dst, f.extension()...))
}

func appendPadded(dst []byte, n uint64, width int) []byte {
	var digits [20]byte
	s := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(s) {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}

// parseFileName is the inverse of fileNameOf; it accepts only names that fileNameOf returns.
func parseFileName(name string) (ms uint32, sequence uint64, f format, ok bool) {
	base, isJPEG := strings.CutSuffix(name, jpegFormat.extension())
	if !isJPEG {
		var isPNG bool
		if base, isPNG = strings.CutSuffix(name, pngFormat.extension()); !isPNG {
			return 0, 0, 0, false
		}
		f = pngFormat
	}
	clock, seq, _ := strings.Cut(base, "-")
	t, err := time.Parse("150405.000", clock)
	n, err2 := strconv.ParseUint(seq, 10, 64)
	if err != nil || err2 != nil {
		return 0, 0, 0, false
	}
	ms = uint32(((t.Hour()*60+t.Minute())*60+t.Second())*1000 + t.Nanosecond()/1e6)
	if fileNameOf(ms, n, f) != name {
		return 0, 0, 0, false
	}
	return ms, n, f, true
}

// parseDay returns the start of a day's directory; it accepts only names the server creates.
func parseDay(name string) (time.Time, bool) {
	t, err := time.Parse(dayLayout, name)
	return t, err == nil && t.Format(dayLayout) == name
}
