//go:build !linux

package netchange

import (
	"context"
	"time"
)

// Watch signals on the returned channel that this machine's interfaces or addresses may have changed since it was called. The channel is closed once ctx is
// done.
func Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	poll(ctx, changed, 5*time.Second)
	return changed
}
