// Package netchange tells that a machine's network interfaces or addresses have changed.
package netchange

import (
	"context"
	"time"
)

// poll tells every so often, until ctx ends.
func poll(ctx context.Context, changed chan<- struct{}, every time.Duration) {
	go func() {
		defer close(changed)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(changed)
			case <-ctx.Done():
				return
			}
		}
	}()
}

func tell(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default: // it is on its way
	}
}
