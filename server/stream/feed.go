package stream

import (
	"context"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

// Feed is where a Handler's pictures come from. *pipeline.Pipeline and *Pictures are two.
type Feed interface {
	// Ring holds the frames; it was made with Envelope.
	Ring() *ring.Ring
	// Watch says that somebody looks from now on; leave, called once, that they are gone.
	Watch() (leave func())
	// Snapshot waits for a frame captured at or after notBefore and fills f, which the caller releases. The error wraps
	// pipeline.ErrNoSignal when there is no picture of now.
	Snapshot(ctx context.Context, notBefore time.Time, f *ring.Frame) error
	State() pipeline.State
	// Change changes settings; a refused value gives a *pipeline.SettingError.
	Change(ctx context.Context, c pipeline.Change) (pipeline.Settings, error)
}

// stiller is a Feed that has pictures of the sensor's own size, too; as *pipeline.Pipeline's Still.
type stiller interface {
	Still(ctx context.Context, dst []byte, p *frame.Picture) ([]byte, error)
}

// Envelope returns what the ring of a Feed must put around each JPEG: the headers of its part of the stream before, the boundary and the
// next part's first headers behind.
func Envelope() ring.Envelope { return fanout.Envelope() }
