package push

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// defaultMaxWait bounds a Retry-After unless Config.MaxWait says more: a server's typing error must not silence a camera for a week.
const defaultMaxWait = 5 * time.Minute

// retryAfter reads a reply's Retry-After (RFC 9110, 10.2.3): a number of seconds or a date. 0: none, or one that cannot be read. The result is at most
// limit, whatever stands there.
//
// A date is compared with the reply's own Date, so that neither a device whose clock was never set nor a server whose clock is wrong changes the wait; now
// is used only for a server that sends no Date.
func retryAfter(h http.Header, now time.Time, limit time.Duration) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(text); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), 0), limit)
	}
	if text == "" || strings.Trim(text, "0123456789.") != "" { // ParseFloat also takes signs, exponents, hexadecimal, Inf and NaN
		return 0
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(seconds, 1) { // Inf: more digits than fit
		return 0
	}
	if seconds >= limit.Seconds() {
		return limit
	}
	return time.Duration(seconds * float64(time.Second))
}
