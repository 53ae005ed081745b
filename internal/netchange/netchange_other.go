//go:build !linux

package netchange

import (
	"context"
	"time"
)

// Watch tells, by the returned channel, that something about this machine's interfaces or addresses may have changed. The channel is closed after ctx has
// ended.
func Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	poll(ctx, changed, 5*time.Second)
	return changed
}
