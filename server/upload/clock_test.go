package upload

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func TestRetentionClock(t *testing.T) {
	begin := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	type look struct {
		elapsed time.Duration // monotonic, since the start
		machine time.Time
		want    time.Time
	}
	after := func(d time.Duration) time.Time { return begin.Add(d) }
	for name, looks := range map[string][]look{
		"steady":                {{0, begin, begin}, {time.Hour, after(time.Hour), after(time.Hour)}},
		"a small step":          {{0, begin, begin}, {time.Minute, after(3 * time.Minute), after(3 * time.Minute)}},
		"drift":                 {{0, begin, begin}, {time.Hour, after(time.Hour + 4*time.Minute), after(time.Hour + 4*time.Minute)}, {2 * time.Hour, after(2*time.Hour + 8*time.Minute), after(2*time.Hour + 8*time.Minute)}},
		"years ahead, for once": {{0, begin, begin}, {time.Second, begin.AddDate(70, 0, 0), after(time.Second)}, {time.Minute, after(time.Minute), after(time.Minute)}},
		"ahead for good": {
			{0, begin, begin},
			{time.Second, begin.AddDate(1, 0, 0), after(time.Second)},
			{30 * time.Minute, begin.AddDate(1, 0, 0).Add(30 * time.Minute), after(30 * time.Minute)},
			{61 * time.Minute, begin.AddDate(1, 0, 0).Add(time.Hour), begin.AddDate(1, 0, 0).Add(time.Hour)},
		},
		"1970, then NTP": {{0, time.Unix(9, 0), time.Unix(9, 0)}, {time.Second, begin, time.Unix(10, 0)}, {62 * time.Minute, after(61 * time.Minute), after(61 * time.Minute)}},
		"a step upon a step": {
			{0, begin, begin},
			{time.Second, begin.AddDate(1, 0, 0), after(time.Second)},
			{59 * time.Minute, begin.AddDate(2, 0, 0), after(59 * time.Minute)},
			{70 * time.Minute, begin.AddDate(2, 0, 0).Add(11 * time.Minute), after(70 * time.Minute)},
		},
		"back": {{0, begin, begin}, {time.Minute, begin.AddDate(-1, 0, 0), begin.AddDate(-1, 0, 0)}, {time.Hour, begin.AddDate(-1, 0, 0).Add(59 * time.Minute), begin.AddDate(-1, 0, 0).Add(59 * time.Minute)}},
	} {
		var c clock
		for i, l := range looks {
			if got, _ := c.now(l.machine, l.elapsed); !got.Equal(l.want) {
				t.Errorf("%s, look %d: %v, want %v", name, i+1, got, l.want)
			}
		}
	}
}

// A picture from a clock that was never set has no age except the time since the server's start.
func TestPicturesFromUnsetClock(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		at, limit, began time.Time
		want             bool
	}{
		"old":                     {now.Add(-2 * time.Hour), now.Add(-time.Hour), now.Add(-9 * time.Hour), true},
		"young":                   {now.Add(-time.Minute), now.Add(-time.Hour), now.Add(-9 * time.Hour), false},
		"1970, a young server":    {time.Unix(99, 0), now.Add(-time.Hour), now.Add(-time.Minute), false},
		"1970, an old server":     {time.Unix(99, 0), now.Add(-time.Hour), now.Add(-9 * time.Hour), true},
		"1970, and kept for ever": {time.Unix(99, 0), time.Time{}, now.Add(-9 * time.Hour), false},
		"all in 1970":             {time.Unix(99, 0), time.Unix(-3500, 0), time.Unix(5, 0), false},
	} {
		d := &device{name: "a"}
		at := c.at.UTC()
		y := d.day(at.Format(dayLayout), true)
		y.entries = []entry{newEntry(uint32(at.Sub(y.begin)/time.Millisecond), 1, 100, jpegFormat)}
		if got := d.tooOld(c.limit, c.began); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A server whose clock was never set trusts its senders.
func TestTimesWhileServerClockIsUnset(t *testing.T) {
	unset := time.Unix(100, 0)
	for text, want := range map[string]time.Time{"": unset, "1763769600": time.Unix(1763769600, 0), "12": unset, "99999999999": unset} {
		if got, err := timeOf(text, unset); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v (%v), want %v", text, got, err, want)
		}
	}
}

func TestDeviceNamesFromAddresses(t *testing.T) {
	if got := nameOf(netip.Addr{}); got != "local" {
		t.Errorf("a Unix socket: %s", got)
	}
	for remote, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::1": "0--1", "::": "0--", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80--1", "fe80::": "fe80--",
		"2001:db8::1": "2001-db8--1", "::1:2:3": "0--1-2-3", "1:2:3:4:5:6:7:8": "1-2-3-4-5-6-7-8",
	} {
		got := nameOf(netip.MustParseAddr(remote))
		if got != want {
			t.Errorf("%q: %s, want %s", remote, got, want)
		}
		if err := checkDevice(got); err != nil {
			t.Errorf("%q: %v", remote, err)
		}
	}
	for range 10000 { // each address has a valid, unique name
		a := fmt.Sprintf("%x:%x:%x:%x:%x:%x:%x:%x", part(), part(), part(), part(), part(), part(), part(), part())
		if err := checkDevice(nameOf(netip.MustParseAddr(a))); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func part() int { return rand.IntN(3) * rand.IntN(0x8000) }

func FuzzNameOf(f *testing.F) {
	f.Add("::1")
	f.Fuzz(func(t *testing.T, remote string) {
		address, _ := netip.ParseAddr(remote) // invalid: a Unix socket's
		if err := checkDevice(nameOf(address)); err != nil {
			t.Errorf("%q: %v", remote, err)
		}
	})
}
