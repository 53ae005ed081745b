//go:build !linux

package bench

import (
	"context"
	"errors"
	"time"
)

// RunRole does nothing: only on Linux a benchmark has children.
func RunRole() {}

// DeliverySupported says whether viewers can be measured on this system.
const DeliverySupported = false

func (r *run) measureDelivery(context.Context, time.Duration) error {
	return errors.New("viewers are measured on Linux only")
}

func (r *run) measureServers(context.Context) error { return nil }
