//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cameraState is the part of /state used here.
type cameraState struct {
	Signal bool   `json:"signal"`
	Reason string `json:"reason"`
	Source struct {
		FPS   float64 `json:"fps"`
		Sizes []struct {
			Width int `json:"width"`
		} `json:"sizes"`
	} `json:"source"`
}

func stateOf(t *testing.T, url string) (s cameraState) {
	t.Helper()
	reply, err := http.Get(url + "/state")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func change(t *testing.T, url, body string) (code int, said string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, url+"/api/settings", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	return reply.StatusCode, string(text)
}

// Without a sensor serve starts, reports that, and streams when one appears.
func TestServeWaitsForASensor(t *testing.T) {
	url, root, end := onCameraWith(t, "unplug=1", nil)
	until(t, "a word about the sensor", func() bool {
		s := stateOf(t, url)
		return !s.Signal && strings.Contains(s.Reason, "sensor gc4653 does not answer")
	})
	if err := os.WriteFile(filepath.Join(root, ".sim", "control"), []byte("unplug=0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, "the signal", func() bool { return stateOf(t, url).Signal })
	end()
}

// By default serve starts at 30 fps with either version of the sensor drivers. 60 and back while running: the newer driver changes its mode;
// the older one has none for it, reports that, and streams on.
func TestBothVersionsOfTheSensorLibrary(t *testing.T) {
	for _, older := range []bool{false, true} {
		t.Run(fmt.Sprintf("older=%v", older), func(t *testing.T) {
			prepare := func(root, libraries string) {
				if !older {
					return
				}
				for _, path := range []string{filepath.Join(root, "usr/lib/python3.11"), filepath.Join(libraries, "libsophgo-middleware.so")} {
					if err := os.RemoveAll(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			url, _, end := onCameraWith(t, "", prepare)
			defer end()
			until(t, "the signal", func() bool { return stateOf(t, url).Signal })
			if s := stateOf(t, url); s.Source.FPS != 30 {
				t.Errorf("by default %v frames a second", s.Source.FPS)
			}
			code, said := change(t, url, `{"fps": 60}`)
			s := stateOf(t, url)
			widest := s.Source.Sizes[len(s.Source.Sizes)-1].Width
			switch {
			case !older && (code != http.StatusOK || s.Source.FPS != 60 || widest > 1280):
				t.Errorf("60 frames a second: %d %s; %+v", code, said, s)
			case older && (code != http.StatusUnprocessableEntity || !strings.Contains(said, "1280x720 at 60 fps") || s.Source.FPS != 30 || !s.Signal):
				t.Errorf("60 frames a second of a driver that lacks it: %d %s; %+v", code, said, s)
			}
			if code, said := change(t, url, `{"fps": 30}`); code != http.StatusOK {
				t.Errorf("back: %d %s", code, said)
			}
			if s := stateOf(t, url); s.Source.FPS != 30 {
				t.Errorf("back: %v frames a second", s.Source.FPS)
			}
			until(t, "the signal", func() bool { return stateOf(t, url).Signal })
		})
	}
}
