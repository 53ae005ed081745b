//go:build linux && cgo

package sg2002

/*
#include "camera.h"
*/
import "C"

import (
	"context"
	"fmt"
	"math"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// The ISP's controls use V4L2's names and choices where the meaning is the same.
const (
	autoExposure = "auto_exposure"
	exposureTime = "exposure_time_absolute"
	gain         = "gain"
	exposureBias = "auto_exposure_bias"
	powerLine    = "power_line_frequency"
	autoBalance  = "white_balance_automatic"
	redBalance   = "red_balance"
	blueBalance  = "blue_balance"
	autoColour   = "saturation_automatic"
	saturation   = "saturation"
	colourEffect = "color_effects"
)

const (
	gainOne = C.GAIN_ONE
	// fallbackMaxGain is used when the library reports no maximum; sensors reach a gain of 16 to 64.
	fallbackMaxGain = 16 * gainOne
	// shortestExposure is a few lines of a sensor, in µs.
	shortestExposure = 10
)

// light is the state of the ISP's controls; the zero value means that nothing was set.
type light struct {
	changed  chan struct{} // capacity 1
	set      C.uint32_t    // parts that were set, to be restored after a restart
	wanted   C.struct_tone
	first    C.struct_tone // the libraries' initial values: the defaults
	known    bool          // first is valid
	grey     bool          // black and white, overriding wanted's saturation
	view     frame.View
	monotone bool // the sensor has no colour
}

// Controls implements frame.Controller: exposure, white balance and colour as the ISP has them now. A bridge chip, which delivers finished
// pictures, has no controls.
func (c *Camera) Controls() ([]frame.Control, error) {
	var list []frame.Control
	err := c.change(func() (err error) {
		list, err = c.controls()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("camera: controls: %w", err)
	}
	return list, nil
}

// ControlsChanged implements frame.Controller.
func (c *Camera) ControlsChanged() <-chan struct{} { return c.light.changed }

// controls reads the current values. c.mu is held.
func (c *Camera) controls() ([]frame.Control, error) {
	if c.c.config.yuv {
		return nil, nil
	}
	if err := c.run(C.CAMERA_TONE_GET, changeTimeout); err != nil {
		return nil, err
	}
	now := c.c.tone
	if !c.light.known {
		c.light.first, c.light.known = now, true
	}
	return c.list(&now, &c.light.first), nil
}

// list describes the ISP's controls with the current values of now and the defaults of first.
func (c *Camera) list(now, first *C.struct_tone) []frame.Control {
	asInt := func(b C.bool) int64 {
		if b {
			return 1
		}
		return 0
	}
	limit := func(v C.uint32_t, otherwise int64) int64 {
		if int64(v) <= gainOne {
			return otherwise
		}
		return int64(v)
	}
	frameTime := int64(1e6 / max(1, float64(c.mode.fps)))
	list := []frame.Control{
		{
			Name: autoExposure, Label: "Exposure mode", Kind: frame.Menu, Menu: []frame.ControlItem{{Value: 0, Name: "Auto Mode"}, {Value: 1, Name: "Manual Mode"}},
			Default: asInt(first.manual_exposure), Value: asInt(now.manual_exposure),
		},
		{
			Name: exposureTime, Label: "Exposure time", Unit: "µs", Min: shortestExposure, Max: frameTime, Default: min(frameTime, 10000),
			Value: int64(now.exposure), Inactive: !bool(now.manual_exposure), Automatic: autoExposure,
		},
		{
			Name: gain, Label: "Gain", Unit: "1/1024", Min: gainOne, Max: limit(now.max_gain, fallbackMaxGain), Default: gainOne, Value: int64(now.gain),
			Inactive: !bool(now.manual_exposure), Automatic: autoExposure,
		},
		{
			Name: exposureBias, Label: "Exposure compensation", Unit: "EV/1000", Min: -2000, Max: 2000,
			Default: biasOf(first.bias), Value: biasOf(now.bias), Inactive: bool(now.manual_exposure),
		},
		{
			Name: powerLine, Label: "Power line frequency", Kind: frame.Menu,
			Menu:    []frame.ControlItem{{Value: 0, Name: "Disabled"}, {Value: 1, Name: "50 Hz"}, {Value: 2, Name: "60 Hz"}},
			Default: flickerOf(first.flicker), Value: flickerOf(now.flicker), Inactive: bool(now.manual_exposure),
		},
	}
	if !c.light.monotone {
		list = append(
			list,
			frame.Control{
				Name: autoBalance, Label: "White balance, automatic", Kind: frame.Boolean, Max: 1,
				Default: 1 - asInt(first.manual_balance), Value: 1 - asInt(now.manual_balance),
			},
			balance(redBalance, "Red", now.red, now), balance(blueBalance, "Blue", now.blue, now),
			frame.Control{
				Name: autoColour, Label: "Saturation, automatic", Kind: frame.Boolean, Max: 1,
				Default: 1 - asInt(first.manual_saturation), Value: 1 - asInt(c.light.colour(now).manual_saturation),
			},
			frame.Control{
				Name: saturation, Label: "Saturation", Max: 255, Default: int64(first.saturation), Value: int64(c.light.colour(now).saturation),
				Inactive: !bool(c.light.colour(now).manual_saturation), Automatic: autoColour,
			},
			frame.Control{
				Name: colourEffect, Label: "Colour", Kind: frame.Menu, Menu: []frame.ControlItem{{Value: 0, Name: "Colour"}, {Value: 1, Name: "Black & White"}},
				Value: asInt(C.bool(c.light.grey)),
			},
		)
	}
	for i := range list {
		l := &list[i]
		switch {
		case l.Kind == frame.Menu:
			l.Max = int64(len(l.Menu) - 1)
		case l.Max < l.Value: // a value set at another frame rate
			l.Max = l.Value
		}
		l.Step = 1
	}
	return list
}

func balance(name, label string, value C.uint16_t, now *C.struct_tone) frame.Control {
	return frame.Control{
		Name: name, Label: label, Unit: "1/1024", Min: gainOne / 4, Max: 8 * gainOne, Default: gainOne, Value: int64(value),
		Inactive: !bool(now.manual_balance), Automatic: autoBalance,
	}
}

// colour returns the tone whose saturation counts once black and white is off.
func (l *light) colour(now *C.struct_tone) *C.struct_tone {
	if l.grey {
		return &l.wanted
	}
	return now
}

// biasOf converts a bias, where 1024 is neutral, to thousandths of an exposure value.
func biasOf(bias C.uint16_t) int64 {
	if bias == 0 {
		return 0
	}
	return int64(math.Round(math.Log2(float64(bias)/gainOne) * 1000))
}

func flickerOf(hertz C.uint16_t) int64 {
	switch hertz {
	case 50:
		return 1
	case 60:
		return 2
	}
	return 0
}

// SetControls implements frame.Controller. It takes effect within three frames.
func (c *Camera) SetControls(_ context.Context, values []frame.ControlValue) error {
	err := c.change(func() error {
		list, err := c.controls()
		if err != nil {
			return err
		}
		if err := frame.CheckControls(list, values); err != nil {
			return err
		}
		before, wasGrey := c.c.tone, c.light.grey
		kept := *c.light.colour(&before)
		wanted := before
		wanted.manual_saturation, wanted.saturation = kept.manual_saturation, kept.saturation
		var parts C.uint32_t
		for _, v := range values {
			parts |= c.light.apply(&wanted, v)
		}
		if err := c.setTone(wanted, parts); err != nil {
			c.light.grey = wasGrey
			failed := err
			c.c.tone, c.c.tone_changes = before, parts
			if err := c.run(C.CAMERA_TONE_SET, changeTimeout); err != nil {
				c.log.Warn("camera: undoing refused controls failed; some may have changed", zap.Error(err))
			}
			return failed
		}
		c.light.wanted = wanted
		c.light.set |= parts
		select {
		case c.light.changed <- struct{}{}:
		default:
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("camera: %w", err)
	}
	return nil
}

// apply sets a checked value in a tone and returns which part of the tone it belongs to.
func (l *light) apply(t *C.struct_tone, v frame.ControlValue) C.uint32_t {
	switch v.Name {
	case autoExposure:
		t.manual_exposure = v.Value == 1
	case exposureTime:
		t.exposure = C.uint32_t(v.Value)
	case gain:
		t.gain = C.uint32_t(v.Value)
	case exposureBias:
		t.bias = C.uint16_t(math.Round(gainOne * math.Pow(2, float64(v.Value)/1000)))
	case powerLine:
		t.flicker = [...]C.uint16_t{0, 50, 60}[v.Value]
	case autoBalance:
		t.manual_balance = v.Value == 0
		return C.TONE_BALANCE
	case redBalance:
		t.red = C.uint16_t(v.Value)
		return C.TONE_BALANCE
	case blueBalance:
		t.blue = C.uint16_t(v.Value)
		return C.TONE_BALANCE
	case autoColour:
		t.manual_saturation = v.Value == 0
		return C.TONE_SATURATION
	case saturation:
		t.saturation = C.uint8_t(v.Value)
		return C.TONE_SATURATION
	case colourEffect:
		l.grey = v.Value == 1
		return C.TONE_SATURATION
	}
	return C.TONE_EXPOSURE
}

// setTone sets parts of a tone in the ISP. c.mu is held.
func (c *Camera) setTone(t C.struct_tone, parts C.uint32_t) error {
	if parts == 0 {
		return nil
	}
	if c.light.grey {
		t.manual_saturation, t.saturation = true, 0
	}
	c.c.tone, c.c.tone_changes = t, parts
	return c.run(C.CAMERA_TONE_SET, changeTimeout)
}

// restoreTone restores the controls after a restart. Controls that are no longer accepted are logged and skipped.
func (c *Camera) restoreTone() {
	if err := c.setTone(c.light.wanted, c.light.set); err != nil {
		c.log.Warn("camera: restoring the controls failed", zap.Error(err))
	}
}

// SetView implements frame.Zoomer: the scaler crops to that part of the sensor's picture within the next few frames.
func (c *Camera) SetView(v frame.View) error {
	return c.change(func() error {
		before := c.light.view
		c.applyView(v)
		if err := c.run(C.CAMERA_VIEW, changeTimeout); err != nil {
			c.applyView(before)
			return fmt.Errorf("camera: zoom %g: %w", v.Zoom, err)
		}
		return nil
	})
}

func (c *Camera) applyView(v frame.View) {
	c.light.view = v
	if v.Whole() {
		v = frame.View{Zoom: 1, X: 0.5, Y: 0.5}
	}
	k := &c.c.config
	k.zoom, k.pan_x, k.pan_y = C.float(min(v.Zoom, frame.MaxZoom)), C.float(v.X), C.float(v.Y)
}

var (
	_ frame.Controller = (*Camera)(nil)
	_ frame.Zoomer     = (*Camera)(nil)
)
