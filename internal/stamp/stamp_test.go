package stamp_test

import (
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

func TestFormat(t *testing.T) {
	for want, at := range map[string]time.Time{
		"1763769600.250000":   time.UnixMicro(1763769600_250000),
		"1763769600.000001":   time.Unix(1763769600, 1999), // truncated, not rounded
		"1.000000":            time.Unix(1, 0),
		"0.999999":            time.UnixMicro(999999),
		"0.000000":            time.Unix(-5, 0),
		"253402300799.500000": time.Unix(253402300799, 5e8),
	} {
		if got := stamp.Format(at); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	if got := stamp.Format(time.Time{}); got != "0.000000" {
		t.Errorf("zero time: %s", got)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	b, now := make([]byte, 0, stamp.MaxLen), time.Now()
	if n := testing.AllocsPerRun(100, func() { b = stamp.Append(b[:0], now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
