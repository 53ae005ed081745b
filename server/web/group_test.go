package web

import "testing"

func TestGroupsMayBeNumbers(t *testing.T) {
	for group, want := range map[string]int{"root": 0, "0": 0, "65533": 65533, "-1": -1, "1.5": -1, "99999999999": -1, "no such group": -1} {
		id, err := groupID(group)
		if failed := err != nil; failed != (want < 0) || !failed && id != want {
			t.Errorf("%s: %d, %v; want %d", group, id, err, want)
		}
	}
}
