package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// serving runs serve within this process until stop is called.
func serving(t *testing.T, env map[string]string, args ...string) (base string, stop func()) {
	t.Helper()
	address := testenv.FreeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	var problems strings.Builder
	go func() {
		ended <- run(ctx, append([]string{"serve", "--listen", address, "--announce=false", "--source", "testcard"}, args...), terminal{
			in: strings.NewReader(""), out: &strings.Builder{}, err: &problems,
			env: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		})
	}()
	testenv.Eventually(t, "the server answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "http://" + address, func() {
		cancel()
		if code := <-ended; code != exitDone {
			t.Errorf("serve ended with code %d: %s", code, problems.String())
		}
	}
}

func controlValue(t *testing.T, base, name string) (value int64) {
	t.Helper()
	testenv.Eventually(t, "the camera runs", func() bool {
		reply, err := http.Get(base + "/api/controls")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		var list struct {
			Controls []struct {
				Name  string
				Value int64
			}
		}
		if reply.StatusCode != http.StatusOK || json.NewDecoder(reply.Body).Decode(&list) != nil {
			return false
		}
		for _, c := range list.Controls {
			if c.Name == name {
				value = c.Value
				return true
			}
		}
		return false
	})
	return value
}

func TestControlsSurviveARestart(t *testing.T) {
	env := map[string]string{"XDG_STATE_HOME": t.TempDir()}
	base, stop := serving(t, env, "--zoom", "3", "--pan", "0.25,0")
	for name, want := range map[string]int64{"zoom_absolute": 300, "pan_absolute": -50, "tilt_absolute": 100} {
		if got := controlValue(t, base, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	code, out, problem := maixstream("controls", "--source", base+"/", "zoom_absolute=200", "pan-absolute=10")
	if code != exitDone || !strings.Contains(out, "zoom_absolute  200 %") || !strings.Contains(out, "100 to 800 (default 100)") {
		t.Errorf("code %d, %q, %q", code, out, problem)
	}
	stop()
	base, stop = serving(t, env)
	if got := controlValue(t, base, "zoom_absolute"); got != 200 {
		t.Errorf("zoom_absolute is %d after a restart, want 200", got)
	}
	if code, out, problem := maixstream("controls", "--source", base, "--reset", "--json"); code != exitDone || !json.Valid([]byte(out)) {
		t.Errorf("code %d, %q, %q", code, out, problem)
	}
	stop()
	base, stop = serving(t, env, "--control", "zoom_absolute=150", "--state-file", "none")
	if got := controlValue(t, base, "zoom_absolute"); got != 150 {
		t.Errorf("zoom_absolute is %d, want that of the flag, 150", got)
	}
	stop()
	text, err := os.ReadFile(filepath.Join(env["XDG_STATE_HOME"], "maixstream", "state.json"))
	if err != nil || strings.Contains(string(text), "zoom_absolute") {
		t.Errorf("%v, %s: reset controls are not kept, and nothing is with none", err, text)
	}
}

// patchSettings changes settings and returns the reply.
func patchSettings(t *testing.T, base, body string) (code int, settings map[string]any) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPatch, base+"/api/settings", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&settings); err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, settings
}

func TestSettingsAreKeptOnRequest(t *testing.T) {
	env := map[string]string{"XDG_STATE_HOME": t.TempDir()}
	settings := func(base string) (now struct {
		Settings struct {
			Quality, Width, Rotate int
			Overlay                string
		}
		Kept *bool `json:"settings_kept"`
	},
	) {
		t.Helper()
		reply, err := http.Get(base + "/state")
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		if err := json.NewDecoder(reply.Body).Decode(&now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	change := func(base, body string) {
		t.Helper()
		controlValue(t, base, "zoom_absolute") // the source runs
		if code, now := patchSettings(t, base, body); code != http.StatusOK {
			t.Fatal(code, now)
		}
	}
	base, stop := serving(t, env)
	change(base, `{"quality": 40}`)
	stop()
	base, stop = serving(t, env)
	if now := settings(base); now.Settings.Quality != 80 || now.Kept == nil || *now.Kept {
		t.Errorf("kept without a request: %+v", now)
	}
	change(base, `{"quality": 41, "keep": true}`)
	change(base, `{"rotate": 90, "overlay": "kept", "size": "320x240"}`)
	change(base, `{}`)
	if code, _, problem := maixstream("controls", "--source", base, "zoom_absolute=200"); code != exitDone {
		t.Error(problem)
	}
	stop()
	base, stop = serving(t, env, "--overlay", "given")
	if now := settings(base); now.Settings.Quality != 41 || now.Settings.Rotate != 90 || now.Settings.Width != 320 || now.Settings.Overlay != "given" || !*now.Kept {
		t.Errorf("%+v", now)
	}
	if got := controlValue(t, base, "zoom_absolute"); got != 200 {
		t.Errorf("zoom_absolute is %d: settings and controls are kept beside each other", got)
	}
	change(base, `{"keep": false}`)
	stop()
	base, stop = serving(t, env)
	if now := settings(base); now.Settings.Quality != 80 || *now.Kept {
		t.Errorf("%+v", now)
	}
	stop()
	base, stop = serving(t, env, "--state-file", "none")
	if code, reply := patchSettings(t, base, `{"keep": true}`); code != http.StatusNotImplemented || !strings.Contains(fmt.Sprint(reply["error"]), "--state-file") {
		t.Error(code, reply)
	}
	if now := settings(base); now.Kept != nil {
		t.Error("settings could be kept")
	}
	stop()
}

func TestUnreadableStateFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	base, stop := serving(t, nil, "--state-file", path)
	if got := controlValue(t, base, "zoom_absolute"); got != 100 {
		t.Errorf("zoom_absolute is %d", got)
	}
	if code, _, problem := maixstream("controls", "--source", base, "zoom_absolute=200"); code != exitDone {
		t.Error(problem)
	}
	stop()
	if text, err := os.ReadFile(path); err != nil || string(text) != "{half" {
		t.Errorf("%v, %q: whatever it is, somebody wrote it", err, text)
	}
}

// A server that listens on loopback only cannot be reached at the machine's other addresses.
func TestLinksOfALoopbackServer(t *testing.T) {
	base, stop := serving(t, nil, "--state-file", "none")
	defer stop()
	if code, out, problem := maixstream("links", "--qr", "no", base); code != exitDone || !strings.Contains(out, base+"/stream\n") {
		t.Errorf("code %d: %s%s", code, out, problem)
	}
}

func TestControlsOfAProtectedServer(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base, stop := serving(t, nil, "--state-file", "none", "--token-file", tokens)
	defer stop()
	if code, _, problem := maixstream("controls", "--source", base); code != exitFailed || !strings.Contains(problem, "http://HOST:8000/?token=TOKEN") {
		t.Errorf("code %d: %s", code, problem)
	}
	if code, out, problem := maixstream("controls", "--source", base+"/?token=0123456789abcdef"); code != exitDone || !strings.Contains(out, "zoom_absolute") {
		t.Errorf("with the token: code %d: %s%s", code, out, problem)
	}
}

func TestStateFileMustBeAFile(t *testing.T) {
	for _, path := range []string{"/dev/full", t.TempDir()} {
		base, stop := serving(t, nil, "--state-file", path)
		if code, _, problem := maixstream("controls", "--source", base, "zoom_absolute=200"); code != exitDone {
			t.Error(problem)
		}
		if got := controlValue(t, base, "zoom_absolute"); got != 200 {
			t.Errorf("zoom_absolute is %d", got)
		}
		stop()
	}
}

func TestControlsOfTheConfiguration(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("controls:\n  zoom_absolute: 250\n  tilt_absolute: -30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base, stop := serving(t, nil, "--state-file", "none", "--config", config, "--control", "tilt_absolute=7")
	defer stop()
	if zoom, tilt := controlValue(t, base, "zoom_absolute"), controlValue(t, base, "tilt_absolute"); zoom != 250 || tilt != 7 {
		t.Errorf("zoom %d, tilt %d; want 250, 7", zoom, tilt)
	}
}

func TestDefaultStateFile(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"STATE_DIRECTORY": "/var/lib/maixstream", "HOME": "/root"}, "/var/lib/maixstream/state.json"},
		{map[string]string{"STATE_DIRECTORY": "/a:/b"}, "/a/state.json"},
		{map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/maixstream/state.json"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/maixstream/state.json"},
		{map[string]string{}, ""},
	} {
		if got := defaultStateFile(func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }); got != c.want {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
}

func TestWrongControls(t *testing.T) {
	base, stop := serving(t, nil)
	defer stop()
	gone := testenv.FreeAddress(t)
	begun := time.Now()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"serve", "--source", "testcard", "--zoom", "9"}, exitUsage, "a number from 1 to 8"},
		{[]string{"serve", "--source", "testcard", "--zoom", "NaN"}, exitUsage, "a number from 1 to 8"},
		{[]string{"serve", "--source", "testcard", "--pan", "2,0"}, exitUsage, "two numbers from 0 to 1"},
		{[]string{"serve", "--source", "testcard", "--control", "brightness"}, exitUsage, "NAME=VALUE"},
		{[]string{"serve", "--source", "testcard", "--control", "brightness=1"}, exitUsage, "it has zoom_absolute"},
		{[]string{"serve", "--source", "testcard", "--control", "zoom_absolute=99"}, exitUsage, "100 to 800 %"},
		{[]string{"serve", "--source", "testcard", "--control", "zoom_absolute=much"}, exitUsage, "a whole number, 100 to 800 %"},
		{[]string{"controls", "--source", base, "zoom_absolute=99"}, exitUsage, "100 to 800 %"},
		{[]string{"controls", "--source", base, "zoom_absolute=99.5"}, exitUsage, "a whole number"},
		{[]string{"controls", "--source", base, "zoom=2"}, exitUsage, "it has zoom_absolute"},
		{[]string{"controls", "--source", base, "zoom_absolute"}, exitUsage, "NAME=VALUE"},
		{[]string{"controls", "--source", "http://" + gone}, exitFailed, "refused"},
		{[]string{"controls", "--source", "v4l2:/dev/null"}, exitFailed, "not a device that can stream video"},
		{[]string{"controls", "--source", "testcard", "brightness=1"}, exitUsage, "this source has no controls"},
	} {
		code, _, problem := maixstream(c.args...)
		if code != c.code || !strings.Contains(problem, c.says) {
			t.Errorf("%v: code %d, %q; want %d, %q", c.args, code, problem, c.code, c.says)
		}
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// A device that replaces a value with a neighbour does not reject it: the command reports the value set.
func TestClampedControlIsReported(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"controls": [
			{"name": "focus_absolute", "kind": "integer", "minimum": 0, "maximum": 250, "step": 1, "default": 0, "value": 35, "inactive": false},
			{"name": "gain", "kind": "integer", "minimum": 0, "maximum": 250, "step": 1, "default": 0, "value": 7, "inactive": true}]}`))
	}))
	defer server.Close()
	code, _, problem := maixstream("controls", "--source", server.URL, "focus_absolute=33", "gain=3")
	if code != exitDone || problem != "focus_absolute=33: the device chose 35\n" {
		t.Errorf("code %d, %q", code, problem)
	}
	if _, _, problem := maixstream("controls", "--source", server.URL, "focus_absolute=35"); problem != "" {
		t.Errorf("%q", problem)
	}
}
