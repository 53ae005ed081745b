package netchange_test

import (
	"context"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/netchange"
	"github.com/maixstream/maixstream/internal/testenv"
)

// Changes right after Watch returns are reported before the minute's poll, and the channel closes with the context.
func TestWatch(t *testing.T) {
	_, add, remove := testenv.LoopbackAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	changed := netchange.Watch(ctx)
	for _, change := range []func(){add, remove} {
		change()
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			t.Fatal("no signal")
		}
		time.Sleep(100 * time.Millisecond) // one change is several reports
		select {
		case <-changed:
		default:
		}
	}
	cancel()
	testenv.Eventually(t, "the channel is closed", func() bool {
		select {
		case _, open := <-changed:
			return !open
		default:
			return false
		}
	})
}
