// Package netchange reports changes of a machine's network interfaces or addresses.
package netchange

import (
	"context"
	"time"
)

// poll signals a possible change at a fixed interval until ctx is done.
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
	default: // a signal is pending
	}
}
