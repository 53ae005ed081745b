package stream_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// ringFeed is a Feed around a ring that the test fills.
type ringFeed struct {
	ring     *ring.Ring
	watching atomic.Int64
	noSignal atomic.Bool
	settings pipeline.Settings
}

// newest is the sequence number of the last published frame.
func (f *ringFeed) newest() uint64 {
	var fr ring.Frame
	f.ring.Latest(&fr)
	defer fr.Release()
	return fr.Meta().Sequence
}

func (f *ringFeed) Ring() *ring.Ring { return f.ring }

func (f *ringFeed) Watch() func() {
	f.watching.Add(1)
	return func() { f.watching.Add(-1) }
}

func (f *ringFeed) Snapshot(ctx context.Context, notBefore time.Time, fr *ring.Frame) error {
	if f.noSignal.Load() {
		return pipeline.ErrNoSignal
	}
	reader := f.ring.NewReader()
	defer reader.Close()
	for {
		if err := reader.Next(ctx, fr); err != nil {
			return err
		}
		if !fr.Meta().Captured.Before(notBefore) {
			return nil
		}
		fr.Release()
	}
}

func (f *ringFeed) State() pipeline.State {
	return pipeline.State{Signal: !f.noSignal.Load(), Settings: f.settings}
}

func (f *ringFeed) Change(_ context.Context, c pipeline.Change) (pipeline.Settings, error) {
	if c.Quality != nil {
		if *c.Quality < 1 || *c.Quality > 100 {
			return f.settings, &pipeline.SettingError{Name: "quality", Value: *c.Quality, Reason: "1 to 100"}
		}
		f.settings.Quality = *c.Quality
	}
	if c.Width != nil && c.Height != nil {
		f.settings.Width, f.settings.Height = *c.Width, *c.Height
	}
	return f.settings, nil
}

var _ stream.Feed = (*ringFeed)(nil)
