//go:build !linux

package push

import "syscall"

type controlFunc = func(network, address string, c syscall.RawConn) error

var limitUnsent controlFunc
