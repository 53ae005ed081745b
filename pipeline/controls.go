package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// controlsWithin limits how long a device may take to answer about its controls.
const controlsWithin = 5 * time.Second

// controls are the values set for the camera's controls, applied to each source that is opened.
type controls struct {
	busy    chan struct{}        // capacity 1, used as a lock with timeout for what follows
	wanted  []frame.ControlValue // in the order in which they were set
	wishes  []ControlWish        // not applied to any source yet
	zoom    zoom
	version atomic.Uint64 // incremented with each change
}

// ControlWish is a value for a control as written by a person: its meaning depends on the control, which is known only once the source is open.
type ControlWish struct{ Name, Text string }

func (c *controls) init(wanted []frame.ControlValue, wishes []ControlWish) {
	c.busy = make(chan struct{}, 1)
	c.zoom.init()
	c.wishes = slices.Clone(wishes)
	for _, v := range wanted {
		c.want(v)
	}
}

// want stores a value, replacing an earlier one.
func (c *controls) want(v frame.ControlValue) {
	c.forget(v.Name)
	c.wanted = append(c.wanted, v)
}

func (c *controls) forget(name string) {
	c.wanted = slices.DeleteFunc(c.wanted, func(w frame.ControlValue) bool { return w.Name == name })
}

// Controls returns the camera's controls with their current values, including digital zoom if pictures are raw or the source can zoom. It
// returns none for a source without controls. The error wraps ErrNoSignal while the source is away.
func (p *Pipeline) Controls(ctx context.Context) (list []frame.Control, err error) {
	err = p.withSource(ctx, func(_ context.Context, source frame.Source) error {
		list, _, err = p.listControls(source)
		return err
	})
	return list, err
}

// SetControls sets some controls, and resets those in reset to their defaults, all or none; it returns all controls as they are then. The values are
// applied again to each source opened later. The error wraps a *frame.ControlError if a control does not exist or rejects its value, and
// ErrNoSignal while the source is away.
func (p *Pipeline) SetControls(ctx context.Context, set []frame.ControlValue, reset []string) (list []frame.Control, err error) {
	err = p.withSource(ctx, func(ctx context.Context, source frame.Source) error {
		now, zooms, err := p.listControls(source)
		if err != nil {
			return err
		}
		values := slices.Clone(set)
		for _, name := range reset {
			c := frame.FindControl(now, name)
			if c == nil {
				return frame.UnknownControl(now, name)
			}
			values = append(values, frame.ControlValue{Name: name, Value: c.Default})
		}
		if err := frame.CheckControls(now, values); err != nil {
			return err
		}
		if err := p.applyControls(ctx, source, values, zooms); err != nil {
			return err
		}
		for _, v := range set {
			if frame.FindControl(now, v.Name).Kind != frame.Button {
				p.controls.want(v)
			}
		}
		for _, name := range reset {
			p.controls.forget(name)
		}
		p.controls.version.Add(1)
		if p.config.KeepControls != nil {
			p.config.KeepControls(slices.Clone(p.controls.wanted))
		}
		list, _, err = p.listControls(source)
		return err
	})
	return list, err
}

// withSource calls do with the running source, one call at a time. It gives up on a device that does not answer.
func (p *Pipeline) withSource(ctx context.Context, do func(context.Context, frame.Source) error) error {
	s, reason := p.running()
	if s == nil {
		return fmt.Errorf("camera controls: %w: %s", ErrNoSignal, reason)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, controlsWithin, errors.New("the device does not answer"))
	select {
	case p.controls.busy <- struct{}{}:
	case <-ctx.Done():
		cancel()
		return fmt.Errorf("camera controls: %w", context.Cause(ctx))
	}
	done := make(chan error, 1)
	go func() {
		defer cancel()
		err := do(ctx, s.source)
		<-p.controls.busy
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("camera controls: %w", err)
		}
		return nil
	case <-ctx.Done():
	}
	select {
	case err := <-done: // do has called cancel
		if err != nil {
			return fmt.Errorf("camera controls: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("camera controls: %w", context.Cause(ctx))
	}
}

// listControls returns the source's controls, and those of digital zoom if zooms.
func (p *Pipeline) listControls(source frame.Source) (list []frame.Control, zooms bool, err error) {
	return listControls(source, p.config.NewTransform != nil, &p.controls.zoom)
}

func listControls(source frame.Source, transforms bool, z *zoom) (list []frame.Control, zooms bool, err error) {
	if c, ok := source.(frame.Controller); ok {
		if list, err = c.Controls(); err != nil && !errors.Is(err, frame.ErrUnsupported) {
			return nil, false, err
		}
	}
	if zooms = canZoom(source, list, transforms); zooms {
		list = append(list, z.controls()...)
	}
	return list, zooms, nil
}

// ControlsOf returns the controls that a pipeline over an opened source has: the source's, and digital zoom if possible. transforms reports whether
// the pipeline has Config.NewTransform.
func ControlsOf(source frame.Source, transforms bool) ([]frame.Control, error) {
	var z zoom
	z.init()
	list, _, err := listControls(source, transforms, &z)
	return list, err
}

// Understand converts wishes to values for controls. The error wraps a *frame.ControlError.
func Understand(list []frame.Control, wishes []ControlWish) (values []frame.ControlValue, err error) {
	for _, w := range wishes {
		c := frame.FindControl(list, w.Name)
		if c == nil {
			return nil, frame.UnknownControl(list, w.Name)
		}
		v, err := c.Parse(w.Text)
		if err != nil {
			return nil, err
		}
		values = append(values, frame.ControlValue{Name: w.Name, Value: v})
	}
	return values, frame.CheckControls(list, values)
}

// applyControls sets checked values: first the source's own, then the zoom.
func (p *Pipeline) applyControls(ctx context.Context, source frame.Source, values []frame.ControlValue, zooms bool) error {
	z := &p.controls.zoom
	percent, pan, tilt := z.percent, z.pan, z.tilt
	if zooms {
		percent, pan, tilt, values = z.with(values)
	}
	if len(values) > 0 {
		if err := source.(frame.Controller).SetControls(ctx, values); err != nil {
			return err
		}
	}
	view := viewOf(percent, pan, tilt)
	if zoomer, ok := source.(frame.Zoomer); ok && zooms && (view != *z.view.Load() || !view.Whole()) {
		if err := zoomer.SetView(view); err != nil {
			return fmt.Errorf("zoom: %w", err)
		}
	}
	z.percent, z.pan, z.tilt = percent, pan, tilt
	z.view.Store(&view)
	return nil
}

// restoreControls applies the stored values to a newly opened source. Controls that it lacks or rejects are skipped and logged.
func (p *Pipeline) restoreControls(source frame.Source) {
	p.controls.busy <- struct{}{}
	defer func() { <-p.controls.busy }()
	if len(p.controls.wanted)+len(p.controls.wishes) == 0 {
		return
	}
	list, zooms, err := p.listControls(source)
	if err != nil {
		p.config.Log.Warn("restoring the camera controls failed", zap.Error(err))
		return
	}
	p.controls.wishes = slices.DeleteFunc(p.controls.wishes, func(w ControlWish) bool {
		values, err := Understand(list, []ControlWish{w})
		if err != nil {
			p.config.Log.Warn("camera control skipped", zap.Error(err))
			return false
		}
		p.controls.want(values[0])
		return true
	})
	var fits []frame.ControlValue
	for _, v := range p.controls.wanted {
		if err := frame.CheckControls(list, []frame.ControlValue{v}); err != nil {
			p.config.Log.Warn("camera control skipped", zap.Error(err))
			continue
		}
		fits = append(fits, v)
	}
	ctx, cancel := context.WithTimeout(p.ctx, controlsWithin)
	defer cancel()
	if p.applyControls(ctx, source, fits, zooms) == nil {
		return
	}
	for _, v := range fits { // one is refused: set the others individually
		if err := p.applyControls(ctx, source, []frame.ControlValue{v}, zooms); err != nil {
			p.config.Log.Warn("camera control skipped", zap.Error(err))
		}
	}
}

// followControls counts changes that the source announces until the session ends.
func (s *session) followControls() {
	c, ok := s.source.(frame.Controller)
	if !ok {
		return
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-c.ControlsChanged():
			s.pipeline.controls.version.Add(1)
		}
	}
}
