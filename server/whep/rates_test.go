package whep

import "testing"

// The bitrate is what the slowest viewer outside the slowest third can receive.
func TestAgreedBitrate(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets []int
		want    int
	}{
		{"one", []int{2_000_000}, 1_800_000},
		{"two", []int{2_000_000, 1_000_000}, 900_000},
		{"three, one of them slow", []int{2_000_000, 200_000, 1_000_000}, 900_000},
		{"three, two of them slow", []int{2_000_000, 200_000, 300_000}, 270_000},
		{"six", []int{6_000_000, 5_000_000, 4_000_000, 3_000_000, 200_000, 100_000}, 2_700_000},
		{"all links too slow", []int{1000, 2000}, minRate},
	} {
		if got := agreed(c.targets); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
