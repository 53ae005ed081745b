//go:build !linux

package discover

import (
	"context"
	"time"
)

// changes tells, by the returned channel, that something about this machine's interfaces or addresses may have changed, until ctx ends.
func changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	poll(ctx, changed, 5*time.Second)
	return changed
}
