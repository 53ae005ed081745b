package retryafter

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfterIsCapped(t *testing.T) {
	const limit = 5 * time.Minute
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	date := func(t time.Time) string { return t.Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		value, date string
		now         time.Time
		want        time.Duration
	}{
		"none":                        {"", "", now, 0},
		"seconds":                     {"7", "", now, 7 * time.Second},
		"spaces around":               {" 7\t", "", now, 7 * time.Second},
		"zero":                        {"0", "", now, 0},
		"a fraction":                  {"1.5", "", now, 1500 * time.Millisecond},
		"the limit":                   {"300", "", now, limit},
		"a week":                      {"604800", "", now, limit},
		"more than 32 bits":           {"99999999999", "", now, limit},
		"more than 64 bits":           {"99999999999999999999999999", "", now, limit},
		"more than a float":           {"1" + strings.Repeat("0", 400), "", now, limit},
		"below zero":                  {"-5", "", now, 0},
		"signed":                      {"+5", "", now, 0},
		"an exponent":                 {"1e9", "", now, 0},
		"infinity":                    {"Inf", "", now, 0},
		"not a number":                {"NaN", "", now, 0},
		"words":                       {"a while", "", now, 0},
		"two points":                  {"1.2.3", "", now, 0},
		"a date soon":                 {date(now.Add(9 * time.Second)), "", now, 9 * time.Second},
		"a date of the past":          {date(now.Add(-time.Hour)), "", now, 0},
		"a date of the far future":    {"Fri, 31 Dec 9999 23:59:59 GMT", "", now, limit},
		"a date of 1970":              {date(time.Unix(0, 0).UTC()), "", now, 0},
		"RFC 850":                     {now.Add(9 * time.Second).Format("Monday, 02-Jan-06 15:04:05 GMT"), "", now, 9 * time.Second},
		"asctime":                     {now.Add(9 * time.Second).Format(time.ANSIC), "", now, 9 * time.Second},
		"our clock was never set":     {date(now.Add(9 * time.Second)), date(now), time.Unix(100, 0), 9 * time.Second},
		"our clock runs ahead":        {date(now.Add(9 * time.Second)), date(now), now.Add(24 * time.Hour), 9 * time.Second},
		"the server's clock is wrong": {date(time.Unix(1009, 0).UTC()), date(time.Unix(1000, 0).UTC()), now, 9 * time.Second},
		"a Date that is none":         {date(now.Add(9 * time.Second)), "yesterday", now, 9 * time.Second},
	} {
		h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
		if got := Wait(h, c.now, limit); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"5", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "1e400", "0x1p9", "-1", "1.5"} {
		f.Add(seed, "Sat, 28 Nov 2026 12:00:00 GMT", int64(0), int64(time.Minute))
	}
	f.Fuzz(func(t *testing.T, value, date string, now, limit int64) {
		limit = max(limit, 0)
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		if got := Wait(h, time.Unix(now, 0), time.Duration(limit)); got < 0 || got > time.Duration(limit) {
			t.Errorf("%q: %v, outside 0 to %v", value, got, time.Duration(limit))
		}
	})
}
