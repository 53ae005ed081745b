// Package stamp formats times as in the X-Timestamp header: seconds of Unix time with six decimals.
package stamp

import (
	"strconv"
	"time"
)

// MaxLen is the length of the longest result in bytes.
const MaxLen = 20 + 1 + 6

// Append appends t. Times before 1970, which a clock that was never set may give, are written as 0.
func Append(dst []byte, t time.Time) []byte {
	us := max(t.UnixMicro(), 0)
	dst = strconv.AppendInt(dst, us/1e6, 10)
	dot := len(dst)
	dst = strconv.AppendInt(dst, us%1e6+1e6, 10) // the leading 1 keeps the zeros and is replaced by the point
	dst[dot] = '.'
	return dst
}

// Format returns t as Append writes it.
func Format(t time.Time) string {
	var b [MaxLen]byte
	return string(Append(b[:0], t))
}
