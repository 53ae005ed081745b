package stamp_test

import (
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

func TestParse(t *testing.T) {
	at := time.Date(2025, 11, 22, 9, 30, 15, 250e6, time.UTC)
	for text, want := range map[string]time.Time{
		"1763803815.250000":             at,
		"1763803815.25":                 at,
		" 1763803815.25 ":               at,
		"1763803815,25":                 at,
		"1763803815.250000999999999999": at, // truncated
		"1763803815250":                 at, // Date.now()
		"1763803815250.0":               at,
		"1763803815250000":              at,
		"1763803815250000000":           at, // time.time_ns()
		"1763803815":                    at.Truncate(time.Second),
		"1763803815.":                   at.Truncate(time.Second),
		"0":                             time.Unix(0, 0),
		"-1.5":                          time.Unix(-2, 5e8),
		"2025-11-22T09:30:15.25Z":       at,
		"2025-11-22t09:30:15.25z":       at,
		"2025-11-22T09:30:15,25Z":       at,
		"2025-11-22T09:30:15.250+00:00": at,
		"2025-11-22T10:30:15.250+01:00": at,
		"2025-11-22T10:30:15.250+0100":  at,
		"2025-11-22T10:30:15.25+01":     at,
		"2025-11-22T04:00:15.25-05:30":  at,
		"2025-11-22T09:30:15.25":        at, // Python's utcnow().isoformat()
		"2025-11-22 09:30:15.25":        at,
		"2025-11-22 09:30:15.25+00:00":  at,
		"2025-11-22 10:30:15.25 +0100":  at,
		"20251122T093015.25Z":           at,
		"20251122T093015.25":            at,
		"2025:11:22 09:30:15":           at.Truncate(time.Second), // Exif
		"2025-11-22T09:30Z":             at.Truncate(time.Minute),
		"2025-11-22":                    at.Truncate(24 * time.Hour),
		"Sat, 22 Nov 2025 09:30:15 GMT": at.Truncate(time.Second),
	} {
		if got, err := stamp.Parse(text); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v (%v), want %v", text, got.UTC(), err, want.UTC())
		}
	}
	for _, text := range []string{
		"", " ", ".", ".5", "-", "+5", "1e9", "0x10", "Inf", "NaN", "1763769600.-1", "1763769600.+1", "1.2.3", "yesterday", "2025-13-01T00:00:00Z", "2025-11-22T25:00:00Z",
		"99999999999999999999", "2025-11-22T09:30:15Z and more", "1 763", "١٧٦٣",
	} {
		if got, err := stamp.Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What is written is parsed back; whatever is parsed can be written.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"1763803815.250000", "1763803815250", "2025-11-22T09:30:15.25+01:00", "-9223372036854775808.999999999", "9223372036854775807"} {
		f.Add(text, int64(1763803815_250000))
	}
	f.Fuzz(func(t *testing.T, text string, micros int64) {
		if got, err := stamp.Parse(text); err == nil {
			stamp.Format(got)
		}
		if micros = max(micros, -micros) % 99_999_999_999_999_999; micros < 0 {
			return
		}
		at := time.UnixMicro(micros)
		if got, err := stamp.Parse(stamp.Format(at)); err != nil || !got.Equal(at) {
			t.Errorf("%v is written %s, which is read as %v (%v)", at, stamp.Format(at), got, err)
		}
	})
}
