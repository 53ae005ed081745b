//go:build !unix

package mjpeg

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Stdin needs a Unix system.
func Stdin(Config) (*Stream, error) {
	return nil, fmt.Errorf("mjpeg: standard input: %w on this system", frame.ErrUnsupported)
}
