package stream_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// controlledFeed is a feed whose camera has three controls.
type controlledFeed struct {
	*ringFeed
	list []frame.Control
}

func (f *controlledFeed) Controls(context.Context) ([]frame.Control, error) {
	if f.noSignal.Load() {
		return nil, pipeline.ErrNoSignal
	}
	return f.list, nil
}

func (f *controlledFeed) SetControls(_ context.Context, set []frame.ControlValue, reset []string) ([]frame.Control, error) {
	if err := frame.CheckControls(f.list, set); err != nil {
		return nil, err
	}
	for _, v := range set {
		frame.FindControl(f.list, v.Name).Value = v.Value
	}
	for _, name := range reset {
		c := frame.FindControl(f.list, name)
		c.Value = c.Default
	}
	return f.list, nil
}

func newControlledFeed(t *testing.T) *controlledFeed {
	r, err := ring.New(ring.Config{Slots: 4, SlotSize: 4096, Envelope: stream.Envelope()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &controlledFeed{&ringFeed{ring: r}, []frame.Control{
		{Name: "brightness", Label: "Brightness", Max: 255, Step: 1, Default: 128, Value: 100},
		{Name: "power_line_frequency", Kind: frame.Menu, Menu: []frame.ControlItem{{Value: 0, Name: "Disabled"}, {Value: 1, Name: "50 Hz"}}, Value: 1},
		{Name: "white_balance_automatic", Kind: frame.Boolean, Max: 1, Default: 1, Value: 1},
		{Name: "white_balance_temperature", Unit: "K", Min: 2800, Max: 6500, Step: 10, Default: 4600, Value: 4600, Inactive: true, Automatic: "white_balance_automatic"},
		{Name: "privacy", Kind: frame.Boolean, Max: 1, Locked: "read-only"},
		{Name: "exposure_time_absolute", Unit: "100 µs", Min: 1, Max: 5000, Step: 1, Default: 156, Value: 250},
		{Name: "snap", Kind: frame.Button},
	}}
}

func TestControlsOverHTTP(t *testing.T) {
	feed := newControlledFeed(t)
	s, err := show(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	url := s.URLs()[0] + "/api/controls"
	ask := func(method, body string) (int, string) {
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		return reply.StatusCode, string(text)
	}
	value := func(name string) int64 { return frame.FindControl(feed.list, name).Value }
	for _, c := range []struct {
		body, says string
		code       int
		name       string
		value      int64
	}{
		{`{"brightness": 120}`, `"value": 120`, 200, "brightness", 120},
		{`{"brightness": null}`, `"value": 128`, 200, "brightness", 128},
		{`{"power_line_frequency": "disabled"}`, `"value": 0`, 200, "power_line_frequency", 0},
		{`{"power_line_frequency": 1, "white_balance_automatic": false}`, `"value": 0`, 200, "white_balance_automatic", 0},
		{`{"white_balance_automatic": "on"}`, "", 200, "white_balance_automatic", 1},
		{`{"snap": true}`, "", 200, "brightness", 128},
		{`{}`, `"kind": "menu"`, 200, "brightness", 128},
		{`{"brightness": 256}`, "0 to 255", 422, "brightness", 128},
		{`{"brightness": 12.5}`, "a whole number, 0 to 255", 422, "brightness", 128},
		{`{"brightness": 1e99}`, "a whole number, 0 to 255", 422, "brightness", 128},
		{`{"brightness": "bright"}`, "a whole number, 0 to 255", 422, "brightness", 128},
		{`{"brightness": [1]}`, "a whole number, 0 to 255", 422, "brightness", 128},
		{`{"white_balance_temperature": 2801}`, "2800 to 6500 K in steps of 10", 422, "white_balance_temperature", 4600},
		{`{"white_balance_automatic": 2}`, "0 or 1", 422, "white_balance_automatic", 1},
		{`{"power_line_frequency": "60 Hz"}`, "0 (Disabled), 1 (50 Hz)", 422, "power_line_frequency", 1},
		{`{"brightness": 1, "no_such": 2}`, "it has brightness, power_line_frequency", 422, "brightness", 128},
		{`{"privacy": 1}`, "read-only", 422, "privacy", 0},
		{`[]`, "want a JSON object", 400, "brightness", 128},
		{``, "empty", 400, "brightness", 128},
	} {
		code, text := ask("PATCH", c.body)
		if code != c.code || !strings.Contains(text, c.says) || !json.Valid([]byte(text)) {
			t.Errorf("%s: %d %s; want %d, %q", c.body, code, text, c.code, c.says)
		}
		if got := value(c.name); got != c.value {
			t.Errorf("%s: %s is %d, want %d", c.body, c.name, got, c.value)
		}
	}
	if code, text := ask("GET", ""); code != 200 || strings.Count(text, `"name"`) != 9 || strings.Contains(text, `"value": null`) {
		t.Errorf("GET: %d %s", code, text)
	}
	if code, _ := ask("PUT", "{}"); code != 405 {
		t.Errorf("PUT: %d", code)
	}
	feed.noSignal.Store(true)
	for _, method := range []string{"GET", "PATCH"} {
		if code, text := ask(method, `{"brightness": 1}`); code != 503 || !strings.Contains(text, "no signal") {
			t.Errorf("%s without signal: %d %s", method, code, text)
		}
	}
}

func TestFeedWithoutControls(t *testing.T) {
	feed := newControlledFeed(t).ringFeed
	s, err := show(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	reply, err := http.Get(s.URLs()[0] + "/api/controls")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	var list stream.ControlList
	if err := json.NewDecoder(reply.Body).Decode(&list); err != nil || list.Controls == nil || len(list.Controls) != 0 {
		t.Errorf("%v, %+v", err, list)
	}
}

func TestExposureTimeIsAMetric(t *testing.T) {
	s, err := show(newControlledFeed(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	reply, err := http.Get(s.URLs()[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	if !strings.Contains(string(text), "maixstream_camera_exposure_seconds 0.025\n") || strings.Contains(string(text), "maixstream_camera_gain ") {
		t.Errorf("%s", text)
	}
}
