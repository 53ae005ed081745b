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

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/discover"
)

// roleVariable makes the test binary, run again inside a network namespace, one of the two hosts.
const roleVariable = "DISCOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	switch os.Getenv(roleVariable) {
	case "announce":
		err := discover.Announce(ctx,
			discover.Service{Type: discover.HTTP, Name: "porch", Port: 8000, TLS: true, Version: "v9"},
			discover.Service{Type: discover.RTSP, Name: "porch", Port: 8554, Version: "v9"})
		fmt.Println("announce ended:", err)
	case "find":
		ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
		defer cancel()
		found, err := discover.Find(ctx)
		fmt.Printf("%+v %v\n", found, err)
	default:
		os.Exit(testenv.Main(m).Run())
	}
}

// host makes a network namespace that is gone after the test.
func host(t *testing.T, name string) {
	t.Helper()
	ip(t, "netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ip(t, "-n", name, "link", "set", "lo", "up")
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func TestFoundAcrossANetwork(t *testing.T) {
	if os.Getuid() != 0 {
		testenv.Unable(t, "needs root, for network namespaces")
	}
	testenv.Program(t, "ip")
	here, there := fmt.Sprintf("mxd%da", os.Getpid()), fmt.Sprintf("mxd%db", os.Getpid())
	host(t, here)
	host(t, there)
	ip(t, "link", "add", "veth0", "netns", here, "type", "veth", "peer", "name", "veth0", "netns", there)
	for name, address := range map[string]string{here: "10.99.0.1/24", there: "10.99.0.2/24"} {
		ip(t, "-n", name, "addr", "add", address, "dev", "veth0")
		ip(t, "-n", name, "link", "set", "veth0", "up")
		ip(t, "-n", name, "route", "add", "224.0.0.0/4", "dev", "veth0")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := func(ns, role string) *exec.Cmd {
		c := exec.Command("ip", "netns", "exec", ns, self)
		c.Env = append(os.Environ(), roleVariable+"="+role)
		return c
	}
	announcer := command(here, "announce")
	out, err := announcer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := announcer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = announcer.Process.Kill()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			t.Log(lines.Text())
		}
		_ = announcer.Wait()
	}()
	var answer []byte
	for range 5 { // probing for a free name takes the announcer about a second, and this machine may be busy
		answer, err = command(there, "find").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		if strings.Contains(string(answer), "rtsp:") && strings.Contains(string(answer), "https:") {
			break
		}
	}
	for _, want := range []string{"Name:porch", "https://10.99.0.1:8000/", "rtsp://10.99.0.1:8554/", "Version:v9"} {
		if !strings.Contains(string(answer), want) {
			t.Errorf("no %q in %s", want, answer)
		}
	}
}
