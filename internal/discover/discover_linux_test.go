package discover_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	n.prints(wanted, func() *exec.Cmd {
		c := exec.Command("ip", "netns", "exec", n.name+host, n.self)
		c.Env = append(os.Environ(), roleVariable+"=find")
		return c
	})
}

// prints repeats a command until it prints all of these at once.
func (n *network) prints(wanted []string, command func() *exec.Cmd) {
	n.t.Helper()
	var list string
	for range 12 { // an announcer probes for a free name for about a second, and the machine may be busy
		out, err := command().CombinedOutput()
		if err != nil {
			n.t.Fatalf("%v: %s", err, out)
		}
		list = string(out)
		if !slices.ContainsFunc(wanted, func(want string) bool { return !strings.Contains(list, want) }) {
			return
		}
	}
	n.t.Errorf("want all of %q, got\n%s", wanted, list)
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
	testenv.Long(t, "14 s without a network")
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
	testenv.Long(t, "12 s until a name is given up")
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

// daemon runs a command until the test ends.
func (n *network) daemon(env []string, args ...string) {
	n.t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), env...)
	var out testenv.Output
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if n.t.Failed() {
			n.t.Logf("%s:\n%s", strings.Join(args, " "), out.String())
		}
	})
}

// Avahi, which most Linux desktops run, finds announcements of its own and of other hosts, also if a name is taken, and find works beside it.
func TestBesideAvahi(t *testing.T) {
	testenv.Long(t, "14 s, three hosts with Avahi")
	n := newNetwork(t)
	for _, program := range []string{"dbus-daemon", "avahi-daemon", "avahi-browse", "avahi-publish"} {
		testenv.Program(t, program)
	}
	n.host("a")
	n.host("b")
	n.cable("veth0", "a", "10.99.0.1", "b", "10.99.0.2")
	dir := t.TempDir()
	bus, conf := filepath.Join(dir, "bus"), filepath.Join(dir, "avahi.conf")
	if err := os.WriteFile(conf, []byte("[server]\nhost-name=desktop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + bus}
	onDesktop := []string{"ip", "netns", "exec", n.name + "b"}
	n.daemon(nil, "dbus-daemon", "--session", "--address=unix:path="+bus, "--nofork", "--nosyslog")
	testenv.Eventually(t, "the bus listens", func() bool {
		_, err := os.Stat(bus)
		return err == nil
	})
	// Its own /run, as it refuses to start twice on a machine.
	n.daemon(env, append(onDesktop, "sh", "-c", `mount -t tmpfs tmpfs /run && exec avahi-daemon -f "$0" --no-drop-root --no-chroot --no-rlimits`, conf)...)
	browse := func() *exec.Cmd {
		c := exec.Command(onDesktop[0], append(onDesktop[1:], "avahi-browse", "--parsable", "--resolve", "--terminate", "_http._tcp")...)
		c.Env = append(os.Environ(), env...)
		return c
	}
	testenv.Eventually(t, "Avahi answers", func() bool { return browse().Run() == nil })
	n.daemon(env, append(onDesktop, "avahi-publish", "--service", "porch", "_http._tcp", "1234")...)
	n.prints([]string{";porch;", ";1234;"}, browse)
	n.announce("a", "porch", 8000) // the name is taken
	n.announce("b", "shed", 8001)  // on Avahi's host
	n.prints([]string{";porch;", ";1234;", ";10.99.0.1;8000;", ";shed;", ";10.99.0.2;8001;"}, browse)
	for _, host := range []string{"a", "b"} {
		n.finds(host, "https://10.99.0.1:8000/", "shed ", "https://10.99.0.2:8001/")
	}
}
