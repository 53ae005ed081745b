package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// modal is a camera with modes: at most 30 fps at any size, or 60 at 8x8 if its driver has that.
type modal struct {
	*camera
	lacks bool
	modes []string // as requested
}

func (m *modal) SetMode(width, height int, fps float64) (float64, error) {
	m.modes = append(m.modes, fmt.Sprintf("%dx%d at %v", width, height, fps))
	switch {
	case fps <= 30:
		return fps, nil
	case m.lacks:
		return 0, fmt.Errorf("fake: no such mode: %w", frame.ErrUnsupported)
	}
	return min(fps, 60), nil
}

// A source with modes receives the maximum rate before anything else is changed; the settings show the actual
// mode; a rejected mode is an error, and a change rejected for another reason leaves the mode unchanged.
func TestSourceModeFollowsTheSettings(t *testing.T) {
	ptr := func(n int) *int { return &n }
	rate := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		name    string
		lacks   bool
		change  pipeline.Change
		fps     float64 // then
		refused string
		modes   string
	}{
		{"slower", false, pipeline.Change{FPS: rate(10)}, 10, "", "8x8 at 10"},
		{"faster", false, pipeline.Change{FPS: rate(50)}, 50, "", "8x8 at 50"},
		{"faster_than_it_can", false, pipeline.Change{FPS: rate(100)}, 60, "", "8x8 at 100"},
		{"another_setting", false, pipeline.Change{Quality: ptr(10)}, 30, "", ""},
		{"no_such_mode", true, pipeline.Change{FPS: rate(60)}, 30, "no such mode", "8x8 at 60"},
		{"another_setting_refused", false, pipeline.Change{FPS: rate(60), Width: ptr(16)}, 30, "size", "16x8 at 60, 8x8 at 30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &modal{camera: newCamera(10 * time.Millisecond), lacks: c.lacks}
				p := start(t, setup{open: func(context.Context, pipeline.Settings) (frame.Source, error) { return source, nil }, fps: 30})
				defer p.Watch()()
				time.Sleep(time.Second)
				settings, err := p.Change(t.Context(), c.change)
				if settings.FPS != c.fps || p.State().Settings != settings {
					t.Errorf("%+v, want %v fps", settings, c.fps)
				}
				if (err != nil) != (c.refused != "") || err != nil && (!isSettingError(err) || !strings.Contains(err.Error(), c.refused)) {
					t.Errorf("error %v, want %q", err, c.refused)
				}
				if modes := strings.Join(source.modes, ", "); modes != c.modes {
					t.Errorf("modes: %s, want %s", modes, c.modes)
				}
			})
		})
	}
}
