//go:build !linux

package discover

import (
	"context"
	"time"
)

// changes signals on the returned channel that this machine's interfaces or addresses may have changed, until ctx is done.
func changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	poll(ctx, changed, 5*time.Second)
	return changed
}
