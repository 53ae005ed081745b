//go:build !unix

package stdin

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Open fails: it needs a Unix system.
func Open() (*Input, error) {
	return nil, fmt.Errorf("standard input: %w on this system", frame.ErrUnsupported)
}

// Close implements io.Closer.
func (in *Input) Close() error { return in.file.Close() }
