package stamp

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// errTime is returned for text in none of Parse's forms.
var errTime = errors.New("want the seconds of Unix time, like 1763769600.250000, or an ISO time, like 2025-11-22T00:00:00.25Z")

// layouts are ISO 8601 as programs write it, Exif's form, and those of HTTP. Go accepts a fraction after the seconds of each.
var layouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05",
	"20060102T150405Z07:00", "20060102T150405Z0700", "20060102T150405", "2006:01:02 15:04:05", time.DateOnly,
	"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC,
}

// Parse parses a time as Append writes it, in microseconds, and in the other forms that senders use: Unix time in seconds, or (told by its magnitude) in milli-, micro-
// or nanoseconds; and ISO 8601, in UTC if no zone is given. Any time is accepted: the caller knows which are plausible.
func Parse(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if len(text) > 64 {
		return time.Time{}, errTime
	}
	if t, ok := parseUnix(text); ok {
		return t, nil
	}
	upper := strings.ToUpper(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, upper); err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, errTime
}

func parseUnix(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(strings.Replace(text, ",", ".", 1), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || whole[0] == '+' || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	unit := int64(time.Second) // of n
	for _, smaller := range []int64{1e11, 1e14, 1e17} {
		if n >= smaller || n <= -smaller {
			unit /= 1000
		}
	}
	below, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64) // in billionths of unit
	if err != nil {
		return time.Time{}, false
	}
	if whole[0] == '-' {
		below = -below
	}
	perSecond := int64(time.Second) / unit
	ns := n%perSecond*unit + below*unit/1e9
	return time.Unix(n/perSecond, ns/1000*1000), true
}
