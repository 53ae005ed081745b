package push

import (
	"path/filepath"
	"strings"
	"testing"
)

func FuzzSpoolFileNames(f *testing.F) {
	for _, name := range []string{
		"0000000000000042_1766400000.123456_9f86d081884c7d659a2feaa0c55ad015_20480_1a2b3c4d_20251222-104000.123-000042.jpg",
		"0000000000000001_-5.000000_k_1_00000000_", "1_1.1_k_1_0_x", "..", "a_b_c_d_e_f", "0000000000000001_0.000000_k_1_00000000_%2e%2e%2fx",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e, ok := parseEntry(name)
		if !ok {
			return
		}
		if e.file() != name || e.size <= 0 || strings.Contains(e.file(), "/") || filepath.Base(name) != name {
			t.Errorf("%q was parsed as %+v", name, e)
		}
	})
}
