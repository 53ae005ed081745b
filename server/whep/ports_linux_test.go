package whep

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// An address added while the server runs is used, and no longer once it is removed.
func TestServerFollowsAddresses(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Unable(t, "needs root, to give the loopback an address")
	}
	ip := testenv.Program(t, "ip")
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
	address := fmt.Sprintf("127.%d.%d.77", 100+os.Getpid()%100, os.Getpid()/100%256)
	change := func(how string) {
		t.Helper()
		if out, err := exec.Command(ip, "address", how, address+"/32", "dev", "lo").CombinedOutput(); err != nil {
			testenv.Unable(t, fmt.Sprintf("the loopback's addresses cannot be changed here: %v: %s", err, out))
		}
	}
	change("add")
	t.Cleanup(func() { _ = exec.Command(ip, "address", "del", address+"/32", "dev", "lo").Run() })
	testenv.Eventually(t, "the new address is used", func() bool { return strings.Contains(listens(s.udp), address+":") })
	change("del")
	testenv.Eventually(t, "the removed address is not", func() bool { return !strings.Contains(listens(s.udp), address+":") })
}
