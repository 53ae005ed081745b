package testenv

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// FreePort returns a TCP port of host that was free a moment ago. If it must stay free until a program listens on it, use a loopback address that
// nothing else uses (127.86.0.1): the system allocates ports of one address independently of others'.
func FreePort(t testing.TB, host string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// FreeAddress returns host:port of the loopback with a TCP port that was free a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t, "127.0.0.1"))
}

// FreeMediaAddress is FreeAddress for an RTSP server: the pair of UDP ports for media above the TCP port is free as well.
func FreeMediaAddress(t testing.TB) string {
	t.Helper()
	for range 50 {
		port := FreePort(t, "127.0.0.1")
		if port > 65000 {
			continue
		}
		first := port + 2 - port%2
		if freeUDP(first) && freeUDP(first+1) {
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no free ports")
	return ""
}

func freeUDP(port int) bool {
	c, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// LoopbackAddress returns a free address, and functions that give it to this machine and take it away.
func LoopbackAddress(t testing.TB) (address string, add, remove func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unable(t, "needs root, to give the loopback an address")
	}
	ip := Program(t, "ip")
	address = fmt.Sprintf("127.%d.%d.77", 100+os.Getpid()%100, os.Getpid()/100%256)
	command := func(how string) *exec.Cmd { return exec.Command(ip, "address", how, address+"/32", "dev", "lo") }
	change := func(how string) {
		if out, err := command(how).CombinedOutput(); err != nil {
			Unable(t, fmt.Sprintf("the loopback's addresses cannot be changed here: %v: %s", err, out))
		}
	}
	t.Cleanup(func() { _ = command("del").Run() })
	return address, func() { change("add") }, func() { change("del") }
}
