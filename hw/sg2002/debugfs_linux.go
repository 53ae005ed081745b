package sg2002

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mountDebugfs mounts the kernel's own view of ION, which images mount at boot as a rule, if this process may. It does so on a board only.
func mountDebugfs() error {
	if os.Getenv("MAIXSTREAM_ROOT") != "" || !OnBoard() {
		return errors.ErrUnsupported
	}
	return unix.Mount("none", "/sys/kernel/debug", "debugfs", 0, "")
}
