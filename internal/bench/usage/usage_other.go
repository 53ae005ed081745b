//go:build !linux

package usage

import (
	"errors"
	"fmt"
	"time"
)

// Thread returns 0.
func Thread() time.Duration { return 0 }

// Threads returns nil.
func Threads() map[string]ThreadTime { return nil }

// Self returns 0.
func Self() time.Duration { return 0 }

// Process fails with errors.ErrUnsupported.
func Process(pid int) (time.Duration, error) {
	return 0, fmt.Errorf("CPU time of process %d: %w", pid, errors.ErrUnsupported)
}

// Resident returns 0.
func Resident(int) int64 { return 0 }

// Anonymous returns 0.
func Anonymous(int) int64 { return 0 }
