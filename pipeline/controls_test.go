package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// webcam is a camera with controls, stored outside of it as in a device.
type webcam struct {
	*camera
	device *device
}

type device struct {
	mu      sync.Mutex
	list    []frame.Control
	refuse  string // a control that the device rejects
	hang    chan struct{}
	calls   [][]frame.ControlValue
	changed chan struct{}
}

func (w webcam) Controls() ([]frame.Control, error) {
	w.device.mu.Lock()
	hang := w.device.hang
	w.device.mu.Unlock()
	if hang != nil {
		<-hang
	}
	w.device.mu.Lock()
	defer w.device.mu.Unlock()
	return slices.Clone(w.device.list), nil
}

func (w webcam) ControlsChanged() <-chan struct{} { return w.device.changed }

func (w webcam) SetControls(_ context.Context, values []frame.ControlValue) error {
	w.device.mu.Lock()
	defer w.device.mu.Unlock()
	w.device.calls = append(w.device.calls, values)
	for _, v := range values {
		if v.Name == w.device.refuse {
			return &frame.ControlError{Name: v.Name, Value: v.Value, Reason: "the device refuses it"}
		}
	}
	for _, v := range values {
		frame.FindControl(w.device.list, v.Name).Value = v.Value
	}
	return nil
}

func newDevice() *device {
	return &device{changed: make(chan struct{}, 1), list: []frame.Control{
		{Name: "brightness", Max: 255, Step: 1, Default: 128, Value: 128},
		{Name: "auto_exposure", Kind: frame.Menu, Menu: []frame.ControlItem{{Value: 1, Name: "Manual Mode"}, {Value: 3, Name: "Aperture Priority Mode"}}, Default: 3, Value: 3},
		{Name: "exposure_time_absolute", Unit: "100 µs", Min: 3, Max: 2047, Step: 1, Default: 250, Value: 250, Inactive: true, Automatic: "auto_exposure"},
		{Name: "snap", Kind: frame.Button},
	}}
}

// cropper converts a look into its view.
type cropper struct{ seen chan frame.View }

func (c *cropper) Apply(f *frame.Frame, look *frame.Look) (*frame.Frame, error) {
	select {
	case c.seen <- look.View:
	default:
	}
	return f, nil
}

type controlled struct {
	*pipeline.Pipeline
	kept [][]frame.ControlValue
	view chan frame.View
}

// control starts a pipeline with sources from open.
func control(t *testing.T, open func() (frame.Source, error), wanted ...frame.ControlValue) *controlled {
	r, err := ring.New(ring.Config{Slots: 16, SlotSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	c := &controlled{view: make(chan frame.View, 1)}
	c.Pipeline, err = pipeline.New(pipeline.Config{
		Open: func(context.Context, pipeline.Settings) (frame.Source, error) { return open() }, Ring: r, Workers: 1,
		NewEncoder:   func() (frame.Encoder, error) { return &encoder{}, nil },
		NewTransform: func() frame.Transform { return &cropper{c.view} },
		Settings:     pipeline.Settings{Quality: 80, FPS: 30, Width: 8, Height: 8}, Controls: wanted,
		KeepControls: func(v []frame.ControlValue) { c.kept = append(c.kept, v) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	t.Cleanup(func() {
		c.Close()
		r.Close()
	})
	time.Sleep(time.Second)
	return c
}

func value(name string, v int64) frame.ControlValue { return frame.ControlValue{Name: name, Value: v} }

func (c *controlled) value(t *testing.T, name string) int64 {
	t.Helper()
	list, err := c.Controls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := frame.FindControl(list, name)
	if found == nil {
		t.Fatalf("no %s in %+v", name, list)
	}
	return found.Value
}

func TestControlsSurviveReplugging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		cam := newCamera(33 * time.Millisecond)
		c := control(t, func() (frame.Source, error) {
			if cam.gone.Load() {
				cam = newCamera(33 * time.Millisecond)
			}
			return webcam{cam, d}, nil
		})
		version := c.State().Controls
		if _, err := c.SetControls(t.Context(), []frame.ControlValue{value("exposure_time_absolute", 120), value("auto_exposure", 1), value("snap", 0), value(
			"zoom_absolute", 200)}, nil); err != nil {
			t.Fatal(err)
		}
		if c.State().Controls == version {
			t.Error("a change is not announced")
		}
		if want := []frame.ControlValue{value("exposure_time_absolute", 120), value("auto_exposure", 1), value("zoom_absolute", 200)}; len(c.kept) != 1 || !slices.Equal(c.kept[0], want) {
			t.Errorf("kept %v, want %v", c.kept, want)
		}
		d.mu.Lock()
		d.list = newDevice().list // unplugged: it has lost its settings
		d.mu.Unlock()
		cam.Close()
		time.Sleep(10 * time.Second)
		if got := c.value(t, "exposure_time_absolute"); got != 120 {
			t.Errorf("exposure is %d after replugging, want 120", got)
		}
		if got := c.value(t, "auto_exposure"); got != 1 {
			t.Errorf("auto_exposure is %d after replugging, want 1", got)
		}
		if got := c.value(t, "zoom_absolute"); got != 200 {
			t.Errorf("zoom is %d after replugging, want 200", got)
		}
		list, err := c.SetControls(t.Context(), nil, []string{"exposure_time_absolute", "zoom_absolute"})
		if err != nil || frame.FindControl(list, "exposure_time_absolute").Value != 250 {
			t.Errorf("reset: %v, %+v", err, list)
		}
		if last := c.kept[len(c.kept)-1]; !slices.Equal(last, []frame.ControlValue{value("auto_exposure", 1)}) {
			t.Errorf("kept %v after a reset", last)
		}
	})
}

func TestSetControlsSetsAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.refuse = "auto_exposure"
		c := control(t, func() (frame.Source, error) { return webcam{newCamera(33 * time.Millisecond), d}, nil })
		for _, bad := range []struct {
			value frame.ControlValue
			want  string
		}{
			{value("brightness", 256), "0 to 255"},
			{value("brightness", -1), "0 to 255"},
			{value("auto_exposure", 2), "1 (Manual Mode), 3 (Aperture Priority Mode)"},
			{value("no_such", 1), "it has brightness, auto_exposure"},
			{value("zoom_absolute", 99), "100 to 800 %"},
			{value("auto_exposure", 1), "refuses"},
		} {
			_, err := c.SetControls(t.Context(), []frame.ControlValue{value("zoom_absolute", 300), bad.value}, nil)
			var refused *frame.ControlError
			if !errors.As(err, &refused) || refused.Name != bad.value.Name || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%v: %v; want %q", bad.value, err, bad.want)
			}
			if got := c.value(t, "zoom_absolute"); got != 100 {
				t.Errorf("%v: zoom was changed to %d nevertheless", bad.value, got)
			}
		}
		if _, err := c.SetControls(t.Context(), nil, []string{"no_such"}); err == nil {
			t.Error("an unknown control was reset")
		}
		if len(c.kept) != 0 {
			t.Errorf("kept %v", c.kept)
		}
	})
}

func TestUnsuitableStoredControlsAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.refuse = "auto_exposure"
		c := control(t, func() (frame.Source, error) { return webcam{newCamera(33 * time.Millisecond), d}, nil },
			value("brightness", 1000), value("focus_absolute", 3), value("auto_exposure", 1), value("exposure_time_absolute", 77))
		if got := c.value(t, "exposure_time_absolute"); got != 77 {
			t.Errorf("exposure is %d, want 77: valid ones are still set", got)
		}
		if got := c.value(t, "brightness"); got != 128 {
			t.Errorf("brightness is %d", got)
		}
	})
}

func TestZoomReachesThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := control(t, func() (frame.Source, error) { return newCamera(33 * time.Millisecond), nil })
		defer c.Watch()()
		for _, z := range []struct {
			values []frame.ControlValue
			want   frame.View
		}{
			{[]frame.ControlValue{value("zoom_absolute", 250)}, frame.View{Zoom: 2.5, X: 0.5, Y: 0.5}},
			{[]frame.ControlValue{value("pan_absolute", 100), value("tilt_absolute", 100)}, frame.View{Zoom: 2.5, X: 1, Y: 0}},
			{[]frame.ControlValue{value("pan_absolute", -50), value("tilt_absolute", -100)}, frame.View{Zoom: 2.5, X: 0.25, Y: 1}},
		} {
			if _, err := c.SetControls(t.Context(), z.values, nil); err != nil {
				t.Fatal(err)
			}
			for range 2 { // one may have been in progress
				for len(c.view) > 0 {
					<-c.view
				}
				time.Sleep(200 * time.Millisecond)
			}
			if got := <-c.view; got != z.want {
				t.Errorf("%v: view %+v, want %+v", z.values, got, z.want)
			}
		}
	})
}

func TestControlsOfAHungDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		c := control(t, func() (frame.Source, error) { return webcam{newCamera(33 * time.Millisecond), d}, nil })
		hang := make(chan struct{})
		d.mu.Lock()
		d.hang = hang
		d.mu.Unlock()
		for range 2 {
			begun := time.Now()
			if _, err := c.Controls(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("%v", err)
			}
			if took := time.Since(begun); took > 6*time.Second {
				t.Errorf("waited for %v", took)
			}
		}
		close(hang)
		synctest.Wait()
		if got := c.value(t, "brightness"); got != 128 {
			t.Errorf("brightness is %d", got)
		}
	})
}

func TestControlsWithoutASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := control(t, func() (frame.Source, error) { return nil, frame.ErrGone })
		if _, err := c.Controls(t.Context()); !errors.Is(err, pipeline.ErrNoSignal) {
			t.Error(err)
		}
		if _, err := c.SetControls(t.Context(), []frame.ControlValue{value("brightness", 1)}, nil); !errors.Is(err, pipeline.ErrNoSignal) {
			t.Error(err)
		}
	})
}
