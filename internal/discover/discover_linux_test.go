package discover_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/discover"
	"github.com/maixstream/maixstream/internal/testenv"
)

// roleVariable makes the test binary act as one of the hosts when it is run again in a network namespace: "announce NAME PORT" or "find".
const roleVariable = "DISCOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleVariable))
	if len(role) == 0 {
		os.Exit(testenv.Main(m).Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	switch role[0] {
	case "announce":
		var port int
		fmt.Sscan(role[2], &port)
		discover.Announce(ctx, func(err error) { fmt.Println("warning:", err) },
			discover.Service{Type: discover.HTTP, Name: role[1], Port: port, TLS: true, Version: "v9"},
			discover.Service{Type: discover.RTSP, Name: role[1], Port: 8554, Version: "v9"})
	case "find":
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		found, err := discover.Find(ctx)
		for _, f := range found {
			fmt.Println(f.Name, f.Host, f.URLs, f.Version)
		}
		if err != nil {
			fmt.Println("error:", err)
		}
	}
}

// network is a set of hosts, each a network namespace that runs the test binary.
type network struct {
	t    *testing.T
	self string
	name string // prefix of its hosts' names
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Getuid() != 0 {
		testenv.Missing(t, "the right to make network namespaces", "root")
	}
	testenv.Program(t, "ip")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &network{t, self, fmt.Sprintf("mxd%d", os.Getpid())}
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host adds a host that has only a loopback interface; it is removed after the test.
func (n *network) host(name string) {
	n.t.Helper()
	n.ip("netns", "add", n.name+name)
	n.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.name+name).Run() })
	n.ip("-n", n.name+name, "link", "set", "lo", "up")
}

// cable connects two hosts by an interface with an address in each.
func (n *network) cable(device, one, oneAddress, other, otherAddress string) {
	n.t.Helper()
	n.ip("link", "add", device, "netns", n.name+one, "type", "veth", "peer", "name", device, "netns", n.name+other)
	for host, address := range map[string]string{one: oneAddress, other: otherAddress} {
		n.ip("-n", n.name+host, "addr", "add", address+"/24", "dev", device)
		n.ip("-n", n.name+host, "link", "set", device, "up")
	}
}

// announce runs a program on a host until the test ends.
func (n *network) announce(host, name string, port int) {
	n.t.Helper()
	c := exec.Command("ip", "netns", "exec", n.name+host, n.self)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=announce %s %d", roleVariable, name, port))
	out, err := c.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = c.Process.Kill()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n.t.Errorf("%s in %s printed: %s", name, host, lines.Text())
		}
		_ = c.Wait()
	})
}

// finds waits until a host finds all of these at once.
func (n *network) finds(host string, wanted ...string) {
	n.t.Helper()
	var list string
	for range 12 { // an announcer probes for a free name for about a second, and the machine may be busy
		c := exec.Command("ip", "netns", "exec", n.name+host, n.self)
		c.Env = append(os.Environ(), roleVariable+"=find")
		out, err := c.CombinedOutput()
		if err != nil {
			n.t.Fatalf("%v: %s", err, out)
		}
		list = string(out)
		missing := 0
		for _, want := range wanted {
			if !strings.Contains(list, want) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	n.t.Errorf("%s does not find all of %q, but\n%s", host, wanted, list)
}

func TestFindAcrossHosts(t *testing.T) {
	n := newNetwork(t)
	n.host("a")
	n.host("b")
	n.cable("veth0", "a", "10.99.0.1", "b", "10.99.0.2")
	n.announce("a", "porch", 8000)
	n.finds("b", "porch ", "https://10.99.0.1:8000/", "rtsp://10.99.0.1:8554/", " v9")
}

// No network at start; one comes up, its address changes, and a second one is added.
func TestNetworkComesUpLater(t *testing.T) {
	n := newNetwork(t)
	n.host("a")
	n.host("b")
	n.host("c")
	n.announce("a", "porch", 8000)
	time.Sleep(2 * time.Second)
	n.cable("veth0", "a", "10.99.0.1", "b", "10.99.0.2")
	n.finds("b", "https://10.99.0.1:8000/")
	n.ip("-n", n.name+"a", "addr", "add", "10.99.0.77/24", "dev", "veth0")
	n.ip("-n", n.name+"a", "addr", "del", "10.99.0.1/24", "dev", "veth0")
	n.ip("-n", n.name+"a", "addr", "replace", "10.99.0.77/24", "dev", "veth0") // a secondary address was removed with the first one
	n.finds("b", "https://10.99.0.77:8000/")
	n.cable("veth1", "a", "10.98.0.1", "c", "10.98.0.2")
	n.finds("c", "https://10.98.0.1:8000/")
	n.finds("b", "https://10.99.0.77:8000/")
}

func TestTwoProgramsOnOneHost(t *testing.T) {
	n := newNetwork(t)
	n.host("a")
	n.host("b")
	n.cable("veth0", "a", "10.99.0.1", "b", "10.99.0.2")
	n.announce("a", "cam:8000", 8000)
	n.announce("a", "cam:8001", 8001)
	n.finds("b", "cam:8000 ", "cam:8001 ", "https://10.99.0.1:8000/", "https://10.99.0.1:8001/")
}

// Two hosts (with the same host name here) want the same name: each gets one of its own, and both are listed.
func TestNameConflict(t *testing.T) {
	n := newNetwork(t)
	n.host("a")
	n.host("b")
	n.host("c")
	n.host("switch")
	n.ip("-n", n.name+"switch", "link", "add", "br0", "type", "bridge")
	n.ip("-n", n.name+"switch", "link", "set", "br0", "up")
	for i, host := range []string{"a", "b", "c"} {
		port := fmt.Sprintf("port%d", i)
		n.ip("link", "add", "veth0", "netns", n.name+host, "type", "veth", "peer", "name", port, "netns", n.name+"switch")
		n.ip("-n", n.name+"switch", "link", "set", port, "master", "br0", "up")
		n.ip("-n", n.name+host, "addr", "add", fmt.Sprintf("10.99.0.%d/24", i+1), "dev", "veth0")
		n.ip("-n", n.name+host, "link", "set", "veth0", "up")
	}
	n.announce("a", "porch", 8000)
	n.finds("c", "https://10.99.0.1:8000/")
	n.announce("b", "porch", 8000)
	n.finds("c", "https://10.99.0.1:8000/", "https://10.99.0.2:8000/")
}

// Finding nothing without a network is not an error.
func TestFindWithoutANetwork(t *testing.T) {
	n := newNetwork(t)
	n.host("a")
	c := exec.Command("ip", "netns", "exec", n.name+"a", n.self)
	c.Env = append(os.Environ(), roleVariable+"=find")
	if out, err := c.CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("%v: %s", err, out)
	}
}
