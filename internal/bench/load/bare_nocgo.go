//go:build linux && !cgo

package load

import (
	"errors"
	"net"
)

// HasBare reports whether this program was built with the bare loop.
const HasBare = false

func bare(*net.TCPListener, int, [][]byte, int) error {
	return errors.New("the bare loop needs cgo (built with CGO_ENABLED=0)")
}
