package stream

import (
	"context"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

// Feed is the source of a Handler's pictures. *pipeline.Pipeline and *Pictures implement it.
type Feed interface {
	// Ring holds the frames; it was created with Envelope.
	Ring() *ring.Ring
	// Watch registers a viewer until leave is called, once.
	Watch() (leave func())
	// Snapshot waits for a frame captured at or after notBefore and stores it in f, which the caller releases. The error wraps
	// pipeline.ErrNoSignal if there is no current picture.
	Snapshot(ctx context.Context, notBefore time.Time, f *ring.Frame) error
	State() pipeline.State
	// Change changes settings; a refused value yields a *pipeline.SettingError.
	Change(ctx context.Context, c pipeline.Change) (pipeline.Settings, error)
}

// stiller is a Feed that also provides pictures of the sensor's full size, as *pipeline.Pipeline's Still.
type stiller interface {
	Still(ctx context.Context, dst []byte, p *frame.Picture) ([]byte, error)
}

// Envelope returns what a Feed's ring must put around each JPEG: its part's headers before; the boundary and the next part's first
// headers after.
func Envelope() ring.Envelope { return fanout.Envelope() }
