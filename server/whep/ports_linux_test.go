package whep

import (
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// An address added while the server runs is used, and no longer once it is removed.
func TestServerFollowsAddresses(t *testing.T) {
	address, add, remove := testenv.LoopbackAddress(t)
	s, err := New(Config{Address: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(listens(s.udp), "127.0.0.1:") {
		t.Errorf("listens at %q", listens(s.udp))
	}
	add()
	testenv.Eventually(t, "the new address is used", func() bool { return strings.Contains(listens(s.udp), address+":") })
	remove()
	testenv.Eventually(t, "the removed address is not", func() bool { return !strings.Contains(listens(s.udp), address+":") })
}
