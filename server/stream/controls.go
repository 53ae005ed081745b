package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/internal/reply"
)

// Controller is a Feed whose camera has controls. *pipeline.Pipeline implements it.
type Controller interface {
	Controls(ctx context.Context) ([]frame.Control, error)
	SetControls(ctx context.Context, set []frame.ControlValue, reset []string) ([]frame.Control, error)
}

// ControlList is the reply of /api/controls.
type ControlList struct {
	Controls []Control `json:"controls"`
}

// Control is a frame.Control as JSON. Minimum, Maximum, Step, Default and Value are missing for a button.
type Control struct {
	Name      string        `json:"name"`
	Label     string        `json:"label,omitempty"`
	Kind      string        `json:"kind"` // "integer", "boolean", "menu", "button"
	Unit      string        `json:"unit,omitempty"`
	Minimum   *int64        `json:"minimum,omitempty"`
	Maximum   *int64        `json:"maximum,omitempty"`
	Step      *int64        `json:"step,omitempty"`
	Default   *int64        `json:"default,omitempty"`
	Value     *int64        `json:"value,omitempty"`
	Menu      []ControlItem `json:"menu,omitempty"`
	Inactive  bool          `json:"inactive"`            // another control manages it at present
	Automatic string        `json:"automatic,omitempty"` // that control's name
	Locked    string        `json:"locked,omitempty"`    // why it cannot be changed at present
}

// ControlItem is one choice of a menu.
type ControlItem struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// Controls converts controls to their JSON form.
func Controls(list []frame.Control) ControlList {
	shown := ControlList{Controls: []Control{}}
	for i := range list {
		c := &list[i]
		one := Control{
			Name: c.Name, Label: c.Label, Kind: c.Kind.String(), Unit: c.Unit, Inactive: c.Inactive, Automatic: c.Automatic, Locked: c.Locked,
		}
		if c.Kind != frame.Button {
			one.Minimum, one.Maximum, one.Step, one.Default, one.Value = &c.Min, &c.Max, &c.Step, &c.Default, &c.Value
		}
		for _, item := range c.Menu {
			one.Menu = append(one.Menu, ControlItem(item))
		}
		shown.Controls = append(shown.Controls, one)
	}
	return shown
}

// controls lists the camera's controls or changes some: {"brightness": 120, "auto_exposure": "Manual Mode", "contrast": null}; null restores the default.
func (h *Handler) controls(w http.ResponseWriter, r *http.Request) {
	camera, ok := h.config.Feed.(Controller)
	switch {
	case r.Method != http.MethodPatch && !ok:
		reply.IndentedJSON(w, http.StatusOK, Controls(nil))
		return
	case !ok:
		problem(w, http.StatusNotImplemented, "", "the program that writes the pictures has no camera controls")
		return
	}
	if r.Method != http.MethodPatch {
		list, err := camera.Controls(r.Context())
		h.replyControls(w, list, err)
		return
	}
	var change map[string]json.RawMessage
	if !readJSON(w, r, &change, `{"brightness": 120}`) {
		return
	}
	list, err := camera.Controls(r.Context())
	if err != nil {
		h.replyControls(w, nil, err)
		return
	}
	set, reset, err := controlValues(list, change)
	if err != nil {
		h.replyControls(w, nil, err)
		return
	}
	if len(set)+len(reset) > 0 {
		list, err = camera.SetControls(r.Context(), set, reset)
	}
	h.replyControls(w, list, err)
}

func (h *Handler) replyControls(w http.ResponseWriter, list []frame.Control, err error) {
	var refused *frame.ControlError
	switch {
	case errors.As(err, &refused):
		problem(w, http.StatusUnprocessableEntity, refused.Name, refused.Error())
	case errors.Is(err, pipeline.ErrNoSignal), errors.Is(err, frame.ErrGone):
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "", err.Error())
	case err != nil:
		problem(w, http.StatusInternalServerError, "", err.Error())
	default:
		reply.IndentedJSON(w, http.StatusOK, Controls(list))
	}
}

// controlValues parses a change's values in the order of their names: numbers, true and false for a boolean, a menu's choice by its name,
// null for the default.
func controlValues(list []frame.Control, change map[string]json.RawMessage) (set []frame.ControlValue, reset []string, err error) {
	for name, raw := range change {
		c := frame.FindControl(list, name)
		if c == nil {
			return nil, nil, frame.UnknownControl(list, name)
		}
		if bytes.Equal(raw, []byte("null")) {
			reset = append(reset, name)
			continue
		}
		v, err := controlValue(c, raw)
		if err != nil {
			return nil, nil, err
		}
		set = append(set, frame.ControlValue{Name: name, Value: v})
	}
	slices.SortFunc(set, func(a, b frame.ControlValue) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(reset)
	return set, reset, nil
}

func controlValue(c *frame.Control, raw json.RawMessage) (int64, error) {
	var number int64
	if json.Unmarshal(raw, &number) == nil {
		return number, nil
	}
	var boolean bool
	if c.Kind == frame.Boolean || c.Kind == frame.Button {
		if json.Unmarshal(raw, &boolean) == nil {
			if boolean {
				return 1, nil
			}
			return 0, nil
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return c.Parse(text)
	}
	return 0, &frame.ControlError{Name: c.Name, Given: fmt.Sprintf("%.40s", raw), Reason: "want " + c.Wants()}
}
