package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

func (e *SettingError) Error() string {
	return fmt.Sprintf("setting %s = %v: %s", e.Name, e.Value, e.Reason)
}

// Change changes settings while the pipeline runs and returns all settings in effect. If one is refused, with a *SettingError,
// none is changed.
func (p *Pipeline) Change(ctx context.Context, c Change) (Settings, error) {
	if ctx == nil {
		return *p.settings.Load(), errors.New("change: no context")
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	old := *p.settings.Load()
	wanted := old
	set(&wanted.Quality, c.Quality)
	set(&wanted.FPS, c.FPS)
	set(&wanted.Width, c.Width)
	set(&wanted.Height, c.Height)
	set(&wanted.Mirror, c.Mirror)
	set(&wanted.Flip, c.Flip)
	set(&wanted.Rotate, c.Rotate)
	set(&wanted.Bitrate, c.Bitrate)
	set(&wanted.GOP, c.GOP)
	set(&wanted.Overlay, c.Overlay)
	if wanted == old {
		return old, nil
	}
	if err := checkSettings(&wanted); err != nil {
		return old, err
	}
	if err := ctx.Err(); err != nil {
		return old, err
	}
	p.mu.Lock()
	s := p.session
	p.mu.Unlock()
	if s == nil {
		return old, &SettingError{"source", "away", "settings cannot be changed while there is no signal"}
	}
	reopen, err := p.apply(s.source, old, &wanted)
	if err != nil {
		return old, err
	}
	p.settings.Store(&wanted)
	if reopen {
		s.cancel(errReopen)
	} else {
		p.retune()
	}
	p.mu.Lock()
	p.info = s.source.Info()
	p.mu.Unlock()
	return wanted, nil
}

func set[T any](field *T, wish *T) {
	if wish != nil {
		*field = *wish
	}
}

// apply applies the settings that the source handles itself; those of the workers take effect with the settings. wanted is corrected to the values in effect.
// All checks precede the first change.
func (p *Pipeline) apply(source frame.Source, old Settings, wanted *Settings) (reopen bool, err error) {
	_, raw := source.(frame.RawSource)
	if _, ready := source.(frame.JPEGSource); ready {
		raw = false
	}
	transforms := raw && p.config.NewTransform != nil
	resizer, canResize := source.(frame.Resizer)
	orienter, canOrient := source.(frame.Orienter)
	overlayer, canOverlay := source.(frame.Overlayer)
	quality, canQuality := source.(frame.QualitySetter)
	if (wanted.Bitrate != old.Bitrate || wanted.GOP != old.GOP) && p.video == nil {
		return false, &SettingError{"bitrate, gop", fmt.Sprint(wanted.Bitrate, ", ", wanted.GOP), "H.264 is switched off"}
	}
	const passed = "this source's pictures are passed through as they are"
	if _, passes := source.(frame.VideoSource); passes && (wanted.Bitrate != old.Bitrate || wanted.GOP != old.GOP) {
		if _, configures := source.(frame.VideoConfigurer); !configures {
			return false, &SettingError{"bitrate, gop", fmt.Sprint(wanted.Bitrate, ", ", wanted.GOP), "this source's H.264 is passed through as it is"}
		}
	}

	resize := wanted.Width != old.Width || wanted.Height != old.Height
	switch {
	case wanted.Quality != old.Quality && !raw && !canQuality && !isCoded(source):
		return false, &SettingError{"quality", wanted.Quality, passed}
	case wanted.Rotate != old.Rotate && !transforms:
		return false, &SettingError{"rotate", wanted.Rotate, passed}
	case (wanted.Mirror != old.Mirror || wanted.Flip != old.Flip) && !transforms && !canOrient:
		return false, &SettingError{"mirror, flip", fmt.Sprint(wanted.Mirror, ", ", wanted.Flip), passed}
	case wanted.Overlay != old.Overlay && !transforms && !canOverlay:
		return false, &SettingError{"overlay", wanted.Overlay, passed}
	}
	if moder, ok := source.(frame.ModeSetter); ok && wanted.FPS != old.FPS { // first: the mode determines the available sizes
		used, failed := moder.SetMode(wanted.Width, wanted.Height, wanted.FPS)
		if failed != nil {
			return false, refused("fps", wanted.FPS, failed)
		}
		wanted.FPS = used
		defer func() {
			if err == nil {
				return
			}
			if _, again := moder.SetMode(old.Width, old.Height, old.FPS); again != nil {
				p.config.Log.Warn("restoring the source's mode failed", zap.Error(again))
			}
		}()
	}
	if resize {
		if reopen, err = p.checkResize(source, canResize, wanted); err != nil {
			return false, err
		}
	}
	if resize && !reopen {
		if err := resizer.Resize(wanted.Width, wanted.Height); err != nil {
			return false, refused("width, height", fmt.Sprintf("%dx%d", wanted.Width, wanted.Height), err)
		}
	}
	if wanted.Quality != old.Quality && canQuality {
		if wanted.Quality, err = quality.SetQuality(wanted.Quality); err != nil {
			return false, refused("quality", wanted.Quality, err)
		}
	}
	if (wanted.Mirror != old.Mirror || wanted.Flip != old.Flip) && !transforms {
		if err := orienter.SetOrientation(wanted.Mirror, wanted.Flip); err != nil {
			return false, refused("mirror, flip", fmt.Sprint(wanted.Mirror, ", ", wanted.Flip), err)
		}
	}
	if wanted.Overlay != old.Overlay && !transforms {
		if err := overlayer.SetOverlay(wanted.Overlay); err != nil {
			return false, refused("overlay", wanted.Overlay, err)
		}
	}
	return reopen, nil
}

// checkResize reports whether the source must be reopened for a size, or an error if it cannot have it.
func (p *Pipeline) checkResize(source frame.Source, canResize bool, wanted *Settings) (reopen bool, err error) {
	size := fmt.Sprintf("%dx%d", wanted.Width, wanted.Height)
	if err := frame.CheckSize(wanted.Width, wanted.Height); err != nil {
		return false, &SettingError{"width, height", size, fmt.Sprintf("out of range (1x1 to %dx%d)", frame.MaxDimension, frame.MaxDimension)}
	}
	if frame.MaxJPEGSize(wanted.Width, wanted.Height) > p.config.Ring.SlotSize() {
		return false, &SettingError{"width, height", size, "larger than the buffers: restart with this size"}
	}
	sizes := source.Info().Sizes
	if sizes != nil && !slices.Contains(sizes, frame.Size{Width: wanted.Width, Height: wanted.Height}) {
		return false, &SettingError{"width, height", size, fmt.Sprintf("the source has only %s", listSizes(sizes))}
	}
	if !canResize && sizes == nil {
		return false, &SettingError{"width, height", size, "this source's pictures have the size that they have"}
	}
	return !canResize, nil
}

func listSizes(sizes []frame.Size) string {
	text := ""
	for i, s := range sizes {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%dx%d", s.Width, s.Height)
	}
	return text
}

// refused turns a source's ErrUnsupported into a refused setting; other errors are returned unchanged.
func refused(name string, value any, err error) error {
	if errors.Is(err, frame.ErrUnsupported) || errors.Is(err, frame.ErrSize) {
		return &SettingError{name, value, err.Error()}
	}
	return fmt.Errorf("change %s to %v: %w", name, value, err)
}
