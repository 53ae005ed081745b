package frame

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ControlKind is the kind of values that a Control accepts.
type ControlKind uint8

const (
	// Integer accepts Min to Max in steps of Step.
	Integer ControlKind = iota
	// Boolean accepts 0 and 1.
	Boolean
	// Menu accepts the values in Control.Menu.
	Menu
	// Button has no value: setting it to anything triggers an action once.
	Button
)

// String returns the kind in lower case, as JSON spells it.
func (k ControlKind) String() string {
	return [...]string{"integer", "boolean", "menu", "button"}[k]
}

// Control is one camera setting that can be changed while the camera runs: its limits, and its value at one moment.
type Control struct {
	// Name is the name that v4l2-ctl prints, if V4L2 has the control: "brightness", "exposure_time_absolute". It is unique per source.
	Name string
	// Label is the device's human-readable name; "" if it has none.
	Label string
	Kind  ControlKind
	// Unit is the unit of the numbers: "µs", "K", "%", "EV/1000"; "" if unknown.
	Unit string
	// Min, Max, Step, Default and Value are in Unit. Step is at least 1. A Button has none of them.
	Min, Max, Step, Default, Value int64
	// Menu lists the values of a Menu.
	Menu []ControlItem
	// Inactive means that another control currently manages what this one sets. Its value is kept; setting it may be refused.
	Inactive bool
	// Automatic is the name of the control that manages this one while it is set to automatic; "" if none is known.
	Automatic string
	// Locked is the reason why the control cannot be changed now; "" if it can.
	Locked string
}

// ControlItem is one choice of a Menu.
type ControlItem struct {
	Value int64
	Name  string
}

// Neutral reports whether the control is at its default.
func (c *Control) Neutral() bool { return c.Kind == Button || c.Value == c.Default }

// Check returns a *ControlError, which names the accepted values, if the control does not accept value.
func (c *Control) Check(value int64) error {
	refuse := func(format string, args ...any) error {
		return &ControlError{Name: c.Name, Value: value, Reason: fmt.Sprintf(format, args...)}
	}
	switch c.Kind {
	case Button:
	case Boolean:
		if value != 0 && value != 1 {
			return refuse("0 or 1")
		}
	case Menu:
		if !slices.ContainsFunc(c.Menu, func(i ControlItem) bool { return i.Value == value }) {
			return refuse("not one of %s", c.choices())
		}
	default:
		if value < c.Min || value > c.Max {
			return refuse("out of range (%s)", c.Range())
		}
		if c.Step > 1 && (value-c.Min)%c.Step != 0 && value != c.Max {
			return refuse("not a multiple of the step (%s)", c.Range())
		}
	}
	return c.locked(value)
}

func (c *Control) locked(value int64) error {
	if c.Locked != "" {
		return &ControlError{Name: c.Name, Value: value, Reason: c.Locked}
	}
	return nil
}

// Range describes the range of an Integer: "1 to 5000 µs", "0 to 100 in steps of 5".
func (c *Control) Range() string {
	text := fmt.Sprintf("%d to %d", c.Min, c.Max)
	if c.Unit != "" {
		text += " " + c.Unit
	}
	if c.Step > 1 {
		text += fmt.Sprintf(" in steps of %d", c.Step)
	}
	return text
}

// Wants describes the values that the control accepts: "a whole number, 1 to 5000 µs".
func (c *Control) Wants() string {
	switch c.Kind {
	case Button:
		return "any number: it is a button"
	case Boolean:
		return "0 or 1"
	case Menu:
		return "one of " + c.choices()
	}
	return "a whole number, " + c.Range()
}

func (c *Control) choices() string {
	var choices []string
	for _, item := range c.Menu {
		choices = append(choices, fmt.Sprintf("%d (%s)", item.Value, item.Name))
	}
	return strings.Join(choices, ", ")
}

// Parse parses a value as people write it: a number, "on", "off" and the like for a Boolean, or the name of a Menu's item in any case. It does not
// check the bounds.
func (c *Control) Parse(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if v, err := strconv.ParseInt(text, 0, 64); err == nil {
		return v, nil
	}
	switch c.Kind {
	case Menu:
		for _, item := range c.Menu {
			if strings.EqualFold(item.Name, text) {
				return item.Value, nil
			}
		}
	case Boolean:
		switch strings.ToLower(text) {
		case "on", "true", "yes":
			return 1, nil
		case "off", "false", "no":
			return 0, nil
		}
	case Button:
		if text == "" {
			return 0, nil
		}
	}
	return 0, &ControlError{Name: c.Name, Given: strconv.Quote(text), Reason: "want " + c.Wants()}
}

// ControlValue is a value of one control, wanted or current.
type ControlValue struct {
	Name  string
	Value int64
}

// Controller is a source whose camera has controls. Its methods are safe for concurrent use, also during a read.
type Controller interface {
	// Controls returns all controls, in the device's order, with their current values. The caller owns the slice.
	Controls() ([]Control, error)
	// SetControls sets values, automatic controls before those that they manage. If one cannot be set, none is changed and the error wraps a
	// *ControlError. It is not an error if the device rounds or clamps a value: Controls returns the result.
	SetControls(ctx context.Context, values []ControlValue) error
	// ControlsChanged receives after controls have changed, also by another program; changes may be coalesced. It is never closed.
	ControlsChanged() <-chan struct{}
}

// ControlError reports a control that a source does not have, or a value that the control does not accept.
type ControlError struct {
	Name  string
	Value int64
	// Given is the text given as the value; "" means Value.
	Given  string
	Reason string // what would be accepted
	// Unknown means that there is no control of this name.
	Unknown bool
	Err     error // from the device; nil if the value was refused before
}

func (e *ControlError) Error() string {
	text := fmt.Sprintf("control %s = %d: %s", e.Name, e.Value, e.Reason)
	switch {
	case e.Unknown:
		text = fmt.Sprintf("control %s: %s", e.Name, e.Reason)
	case e.Given != "":
		text = fmt.Sprintf("control %s = %s: %s", e.Name, e.Given, e.Reason)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *ControlError) Unwrap() error { return e.Err }

// CheckControls returns an error for the first value whose control is missing from controls or does not accept it.
func CheckControls(controls []Control, values []ControlValue) error {
	for _, v := range values {
		c := FindControl(controls, v.Name)
		if c == nil {
			return UnknownControl(controls, v.Name)
		}
		if err := c.Check(v.Value); err != nil {
			return err
		}
	}
	return nil
}

// FindControl returns the control with that name, or nil. The result points into controls.
func FindControl(controls []Control, name string) *Control {
	for i := range controls {
		if controls[i].Name == name {
			return &controls[i]
		}
	}
	return nil
}

// UnknownControl returns the error for a name that is not in controls; it lists those that are.
func UnknownControl(controls []Control, name string) error {
	var names []string
	for i := range controls {
		names = append(names, controls[i].Name)
	}
	reason := "this source has no controls"
	if names != nil {
		reason = "this source has no such control; it has " + strings.Join(names, ", ")
	}
	return &ControlError{Name: name, Reason: reason, Unknown: true}
}

// View is the part of a picture that is shown, enlarged to full size: digital zoom. The zero View shows the whole picture.
type View struct {
	// Zoom is the magnification, 1 to MaxZoom; 0 means 1.
	Zoom float64
	// X and Y are the centre of the part, from 0 (left, top) to 1 (right, bottom), as far as the picture's edges allow.
	X, Y float64
}

// MaxZoom is the largest Zoom of a View: an eighth of the picture's width. The SG2002's scaler enlarges further, but that shows only pixels.
const MaxZoom = 8

// Whole reports whether the view is the whole picture.
func (v View) Whole() bool { return v.Zoom <= 1 }

// Crop returns the part of a width x height picture that the view shows, in pixels; x and y are even, so that 4:2:0 chroma fits.
func (v View) Crop(width, height int) (x, y, w, h int) {
	if v.Whole() {
		return 0, 0, width, height
	}
	zoom := min(v.Zoom, MaxZoom)
	w, h = max(2, int(float64(width)/zoom+0.5)&^1), max(2, int(float64(height)/zoom+0.5)&^1)
	w, h = min(w, width), min(h, height)
	at := func(middle float64, part, whole int) int {
		start := int(middle*float64(whole)+0.5) - part/2
		return max(0, min(start, whole-part)) &^ 1
	}
	return at(v.X, w, width), at(v.Y, h, height), w, h
}

// Zoomer is a source that applies a View itself, after mirror and flip, at no cost for the CPU. Its method is safe for concurrent use and takes
// effect within a few pictures.
type Zoomer interface{ SetView(v View) error }
