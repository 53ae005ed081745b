// Package testvideo runs the test card with H.264 for tests of what serves it.
package testvideo

import (
	"context"
	"errors"
	"testing"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
)

// RequireEncoder skips a test if there is no OpenH264; where every test must run, it fails unless this build cannot use it.
func RequireEncoder(t testing.TB) {
	t.Helper()
	switch err := openh264.Available(); {
	case errors.Is(err, openh264.ErrMissing):
		testenv.Missing(t, "OpenH264's library", "make setup-test")
	case err != nil:
		testenv.Unable(t, err.Error()) // built without cgo
	}
}

// Pipeline runs the test card, 320x240 at 30 fps as JPEG and H.264, until the test ends. change, if not nil, changes its configuration, such as the encoder of H.264,
// which is RequireEncoder's if left nil. The first picture may be still to come.
func Pipeline(t testing.TB, frames ring.Config, change func(*pipeline.Config)) *pipeline.Pipeline {
	t.Helper()
	r, err := ring.New(frames)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	log, err := video.New(video.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	c := pipeline.Config{
		Open: func(_ context.Context, s pipeline.Settings) (frame.Source, error) {
			return hw.OpenSource(hw.SourceConfig{Name: "testcard", Width: s.Width, Height: s.Height, FPS: s.FPS})
		},
		NewEncoder: hw.NewEncoder, Ring: r, Settings: pipeline.Settings{Quality: 80, FPS: 30, Width: 320, Height: 240},
		Video: &pipeline.VideoConfig{Log: log},
	}
	if change != nil {
		change(&c)
	}
	if c.Video != nil && c.Video.NewEncoder == nil {
		RequireEncoder(t)
		c.Video.NewEncoder = hw.NewVideoEncoder
	}
	p, err := pipeline.New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() { p.Close() })
	return p
}
