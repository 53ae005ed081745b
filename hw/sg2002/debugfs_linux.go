package sg2002

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mountDebugfs mounts debugfs, which has the kernel's ION summary, if this process may. Images normally mount it at boot. On a board only.
func mountDebugfs() error {
	if os.Getenv("MAIXSTREAM_ROOT") != "" || !OnBoard() {
		return errors.ErrUnsupported
	}
	return unix.Mount("none", "/sys/kernel/debug", "debugfs", 0, "")
}
