//go:build !linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RunChild fails: benchmarks have child processes on Linux only.
func RunChild([]string) error { return fmt.Errorf("bench child: %w", errors.ErrUnsupported) }

// DeliverySupported reports whether viewers can be measured on this system.
const DeliverySupported = false

func (r *run) measureDelivery(context.Context, time.Duration) error {
	return errors.New("viewers are measured on Linux only")
}

func (r *run) measureServers(context.Context) error { return nil }
