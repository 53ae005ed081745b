package stream_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// Whatever is sent as settings, the reply is valid JSON, and the resulting settings are valid.
func FuzzSettings(f *testing.F) {
	r, err := ring.New(ring.Config{SlotSize: frame.MaxJPEGSize(256, 256), Envelope: stream.Envelope()})
	if err != nil {
		f.Fatal(err)
	}
	p, err := pipeline.New(pipeline.Config{
		Open: func(_ context.Context, now pipeline.Settings) (frame.Source, error) {
			return hw.OpenSource(hw.SourceConfig{Name: "testcard", Width: now.Width, Height: now.Height, FPS: now.FPS})
		},
		NewEncoder: hw.NewEncoder, NewTransform: hw.NewTransform, Ring: r, Settings: pipeline.Settings{Quality: 80, FPS: 5, Width: 64, Height: 64},
	})
	if err != nil {
		f.Fatal(err)
	}
	shown, err := stream.New(stream.Config{Feed: p})
	if err != nil {
		f.Fatal(err)
	}
	p.Start()
	f.Cleanup(func() {
		shown.Close()
		p.Close()
		r.Close()
	})
	for _, body := range []string{
		`{"quality": 70}`, `{"fps": 1e-300}`, `{"fps": 1e400}`, `{"size": "64x64"}`, `{"size": "0x0", "width": 1}`, `{"width": 65536, "height": -1}`, `{"rotate": 91}`,
		`{"overlay": "%H:%M\u0000\ud800"}`, `[]`, `null`, `{"quality": 70}{}`, `{"quality": null, "fps": "30"}`, `{"unknown": 1}`, ``, `{"gop": -0.0, "bitrate": 9e18}`,
	} {
		f.Add("/api/settings", body)
	}
	f.Add("/api/recording", `{"on": true}`)
	f.Add("/api/controls", `{"brightness": 1e99}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if !slices.Contains([]string{"/api/settings", "/api/recording", "/api/controls"}, path) {
			path = "/api/settings"
		}
		request := httptest.NewRequest(http.MethodPatch, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		reply := httptest.NewRecorder()
		shown.ServeHTTP(reply, request)
		var value any
		if err := json.Unmarshal(reply.Body.Bytes(), &value); err != nil {
			t.Fatalf("%d %q: %v", reply.Code, reply.Body, err)
		}
		if !slices.Contains([]int{200, 400, 413, 422, 501, 503}, reply.Code) {
			t.Errorf("%q: %d %s", body, reply.Code, reply.Body)
		}
		s := p.State().Settings
		if s.Quality < 1 || s.Quality > 100 || !(s.FPS >= pace.MinFPS) || s.Rotate%90 != 0 || frame.CheckSize(s.Width, s.Height) != nil {
			t.Errorf("%q: %+v", body, s)
		}
	})
}
