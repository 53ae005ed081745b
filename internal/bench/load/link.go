//go:build linux

package load

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ErrNoLink is wrapped by NewLink's error if this machine cannot create one.
var ErrNoLink = errors.New("cannot create a link of limited rate")

// Link is a pair of network namespaces, connected with a limited rate out of the first.
type Link struct {
	Here, There string // the namespaces' names
	Address     string // of Here
}

// NewLink creates a Link with tc's token bucket, rate in tc's notation ("10mbit"): a burst of 16 KiB, and a queue of at most 50 ms. It needs root and iproute2.
func NewLink(rate string) (*Link, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: network namespaces need root", ErrNoLink)
	}
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: %s is missing (Debian package iproute2)", ErrNoLink, program)
		}
	}
	name := fmt.Sprintf("maixstream-%d", os.Getpid())
	l := &Link{Here: name + "-a", There: name + "-b", Address: "10.99.77.1"}
	l.Close() // leftovers of a killed run with the same process ID
	for _, command := range []string{
		"ip netns add " + l.Here,
		"ip netns add " + l.There,
		"ip link add veth0 netns " + l.Here + " type veth peer name veth0 netns " + l.There,
		"ip -n " + l.Here + " addr add 10.99.77.1/24 dev veth0",
		"ip -n " + l.Here + " link set veth0 up",
		"ip -n " + l.Here + " link set lo up",
		"ip -n " + l.There + " addr add 10.99.77.2/24 dev veth0",
		"ip -n " + l.There + " link set veth0 up",
		"ip netns exec " + l.Here + " tc qdisc add dev veth0 root tbf rate " + rate + " burst 16kb latency 50ms",
	} {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			l.Close()
			return nil, fmt.Errorf("%w: %s: %s", ErrNoLink, command, strings.TrimSpace(string(out)))
		}
	}
	return l, nil
}

// Close removes the namespaces.
func (l *Link) Close() {
	for _, name := range []string{l.Here, l.There} {
		_ = exec.Command("ip", "netns", "del", name).Run()
	}
}
