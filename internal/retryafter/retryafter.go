// Package retryafter reads how long a busy server asks its clients to wait.
package retryafter

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/pace"
)

// DefaultLimit caps Retry-After: a server's typo must not silence a camera for a week.
const DefaultLimit = 5 * time.Minute

// Wait parses a reply's Retry-After (RFC 9110, 10.2.3): a number of seconds or a date. 0: missing or invalid. The result is
// at most limit.
//
// A date is compared with the reply's own Date, so that neither a device whose clock was never set nor a server whose clock is wrong changes the delay; now
// is used only if the server sends no Date.
func Wait(h http.Header, now time.Time, limit time.Duration) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(text); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), 0), limit)
	}
	if text == "" || strings.Trim(text, "0123456789.") != "" { // ParseFloat also accepts signs, exponents, hexadecimal, Inf and NaN
		return 0
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(seconds, 1) { // Inf: out of range
		return 0
	}
	if seconds >= limit.Seconds() {
		return limit
	}
	return pace.Duration(seconds)
}
