//go:build !linux

package fanout

import "net"

// loop is what serves many sockets from one goroutine; only Linux has it.
type loop struct{}

func startLoop(Config) (*loop, error) { return nil, nil }

func (*loop) add(net.Conn, *Viewer) (bool, error) { return false, nil }

func (*loop) dismiss() {}

func (*loop) close() {}

// LimitUnsent does nothing here.
func LimitUnsent(net.Conn) {}

func drained(net.Conn) bool { return true }
