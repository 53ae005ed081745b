package frame

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ControlKind is what values a Control takes.
type ControlKind uint8

const (
	// Integer takes Min to Max in steps of Step.
	Integer ControlKind = iota
	// Boolean takes 0 and 1.
	Boolean
	// Menu takes the values of Control.Menu.
	Menu
	// Button has no value: setting it, to whatever value, makes something happen once.
	Button
)

// String returns the kind in lower case, as JSON spells it.
func (k ControlKind) String() string {
	return [...]string{"integer", "boolean", "menu", "button"}[k]
}

// Control is one thing about a camera that can be changed while it runs: its limits and its value at one moment.
type Control struct {
	// Name is as v4l2-ctl prints it where V4L2 has the control: "brightness", "exposure_time_absolute". It is unique in a source.
	Name string
	// Label is the name as the device gives it for people; "": none.
	Label string
	Kind  ControlKind
	// Unit is that of the numbers: "µs", "K", "%", "EV/1000"; "": the number has none that is known.
	Unit string
	// Min, Max, Step, Default and Value are in Unit. Step is at least 1. A Button has none of them.
	Min, Max, Step, Default, Value int64
	// Menu lists the values of a Menu.
	Menu []ControlItem
	// Inactive says that the control rests: another one manages what it would set. Its value is kept, and may be refused, until then.
	Inactive bool
	// Automatic is the name of the control that manages this one when that is set to automatic; "": none that is known.
	Automatic string
	// Locked says why it cannot be changed now; "": it can be.
	Locked string
}

// ControlItem is one choice of a Menu.
type ControlItem struct {
	Value int64
	Name  string
}

// Neutral says whether the control is at its default.
func (c *Control) Neutral() bool { return c.Kind == Button || c.Value == c.Default }

// Check reports a value that the control does not take, as a *ControlError that names what it takes.
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

// Range says in words what an Integer takes: "1 to 5000 µs", "0 to 100 in steps of 5".
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

// Wants says in words what values the control takes: "a whole number, 1 to 5000 µs".
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

// Parse understands a value as people write it: a number, on or off and the like for a Boolean, the name of a Menu's choice in any case. It does not
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

// ControlValue is a wish for, or the state of, one control.
type ControlValue struct {
	Name  string
	Value int64
}

// Controller is a source whose camera has controls. Its methods are called from any goroutine, also while another one reads.
type Controller interface {
	// Controls returns all of them, in the device's order, as they are now. The slice is the caller's.
	Controls() ([]Control, error)
	// SetControls sets some, automatic ones before those that they manage. If one cannot be set, none is changed and the error wraps a
	// *ControlError. A device that takes a neighbouring value instead is no error: Controls tells what it took.
	SetControls(ctx context.Context, values []ControlValue) error
	// ControlsChanged receives after controls were changed, also by another program; several changes may be told as one. It is not closed.
	ControlsChanged() <-chan struct{}
}

// ControlError is a control that a source does not have, or a value that it does not take.
type ControlError struct {
	Name  string
	Value int64
	// Given is what was given in place of a value; "": Value.
	Given  string
	Reason string // what would be right
	// Unknown says that there is no control of this name.
	Unknown bool
	Err     error // of the device; nil: the value was refused before
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

// CheckControls reports the first of the values that is not taken by a control of controls, or of a control that is not there.
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

// FindControl returns the control of that name, nil if there is none. It points into controls.
func FindControl(controls []Control, name string) *Control {
	for i := range controls {
		if controls[i].Name == name {
			return &controls[i]
		}
	}
	return nil
}

// UnknownControl is the error for a name that is not in controls; it lists those that are.
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

// View is the part of a picture that is shown, enlarged to the whole: digital zoom. The zero View is the whole picture.
type View struct {
	// Zoom is how many times larger things appear: 1 to MaxZoom; 0: 1.
	Zoom float64
	// X and Y are where in the picture the middle of the part lies as far as its edges allow, from 0 (left, top) to 1 (right, bottom).
	X, Y float64
}

// MaxZoom is the largest Zoom of a View: an eighth of the picture's width. The SG2002's scaler enlarges further, but shows only pixels.
const MaxZoom = 8

// Whole says whether the view is the whole picture.
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

// Zoomer is a source that shows a View of its pictures, as they are seen after mirror and flip, by itself and without cost for the CPU. Its method is called from any
// goroutine and takes
// effect from one of the next pictures on.
type Zoomer interface{ SetView(v View) error }
