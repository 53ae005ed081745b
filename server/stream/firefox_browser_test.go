package stream_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/gorilla/websocket"
)

// firefox is a headless Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/) over a websocket: Debian has no
// geckodriver.
type firefox struct {
	conn    *websocket.Conn
	id      int
	context string // the tab
	folder  string
}

func startFirefox(t *testing.T) *firefox {
	t.Helper()
	path := testenv.Program(t, "firefox-esr", "firefox")
	f := &firefox{folder: t.TempDir()}
	profile := t.TempDir()
	// Everything that a browser requests for itself is off: only this program's pages are loaded.
	prefs := fmt.Sprintf(`
user_pref("browser.download.folderList", 2);
user_pref("browser.download.dir", %q);
user_pref("browser.download.alwaysOpenPanel", false);
user_pref("layout.css.prefers-color-scheme.content-override", 1);
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.region.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.unified", false);
`, f.folder)
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile, "about:blank")
	cmd.Env = append(os.Environ(), "MOZ_CRASHREPORTER_DISABLE=1")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
	})
	where := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "WebDriver BiDi listening on "); ok {
				where <- url
			}
		}
		close(where)
	}()
	select {
	case url := <-where:
		if f.conn, _, err = websocket.DefaultDialer.Dial(url+"/session", nil); err != nil {
			t.Fatalf("firefox at %q: %v", url, err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("firefox did not report its address")
	}
	t.Cleanup(func() { f.conn.Close() })
	f.call(t, "session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	// A new tab: Firefox's initial one is not focused and receives no keys.
	var own struct{ Context string }
	f.call(t, "browsingContext.create", map[string]any{"type": "tab"}, &own)
	f.context = own.Context
	f.call(t, "browsingContext.activate", map[string]any{"context": f.context}, nil)
	return f
}

func (f *firefox) call(t *testing.T, method string, params map[string]any, result any) {
	t.Helper()
	if refused := f.try(t, method, params, result); refused != "" {
		t.Fatal(refused)
	}
}

// try sends a command and waits for its result, skipping unsolicited events; it returns the browser's refusal, if any.
func (f *firefox) try(t *testing.T, method string, params map[string]any, result any) (refused string) {
	t.Helper()
	f.id++
	if err := f.conn.WriteJSON(map[string]any{"id": f.id, "method": method, "params": params}); err != nil {
		t.Fatal(err)
	}
	_ = f.conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	for {
		var reply struct {
			ID             int
			Result         json.RawMessage
			Error, Message string
		}
		if err := f.conn.ReadJSON(&reply); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if reply.ID != f.id {
			continue
		}
		if reply.Error != "" {
			return method + ": " + reply.Error + ": " + reply.Message
		}
		if result != nil {
			if err := json.Unmarshal(reply.Result, result); err != nil {
				t.Fatalf("%s: %v in %.200s", method, err, reply.Result)
			}
		}
		return ""
	}
}

func (f *firefox) open(t *testing.T, url string) {
	t.Helper()
	f.call(t, "browsingContext.navigate", map[string]any{"context": f.context, "url": url, "wait": "complete"}, nil)
}

func (f *firefox) eval(t *testing.T, expression string) string {
	t.Helper()
	var r struct {
		Type             string
		Result           struct{ Value any }
		ExceptionDetails struct{ Text string }
	}
	refused := f.try(t, "script.evaluate", map[string]any{
		"expression": stringOf(expression), "target": map[string]any{"context": f.context}, "awaitPromise": true,
	}, &r)
	if gone(refused) {
		return ""
	}
	if refused != "" {
		t.Fatalf("%.200s: %s", expression, refused)
	}
	if r.Type != "success" {
		t.Fatalf("%.200s: %s", expression, r.ExceptionDetails.Text)
	}
	return fmt.Sprint(r.Result.Value)
}

func (f *firefox) screenshot(t *testing.T) (image.Image, []byte) {
	t.Helper()
	var r struct{ Data string }
	f.call(t, "browsingContext.captureScreenshot", map[string]any{"context": f.context}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		t.Fatal(err)
	}
	return img, png
}

// keyCodes are by KeyboardEvent.key; https://www.w3.org/TR/webdriver/#keyboard-actions.
var keyCodes = map[string]string{
	"Escape": "\uE00C", "Tab": "\uE004", "Enter": "\uE006", "Home": "\uE011", "End": "\uE010",
	"ArrowLeft": "\uE012", "ArrowUp": "\uE013", "ArrowRight": "\uE014", "ArrowDown": "\uE015",
}

func (f *firefox) press(t *testing.T, keys ...string) {
	t.Helper()
	var actions []map[string]any
	for _, key := range keys {
		if code, ok := keyCodes[key]; ok {
			key = code
		}
		actions = append(actions, map[string]any{"type": "keyDown", "value": key}, map[string]any{"type": "keyUp", "value": key})
	}
	f.call(t, "input.performActions", map[string]any{
		"context": f.context, "actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}},
	}, nil)
}

func (f *firefox) viewport(t *testing.T, width, height int) {
	t.Helper()
	f.call(t, "browsingContext.setViewport", map[string]any{"context": f.context, "viewport": map[string]any{"width": width, "height": height}}, nil)
}

// hide brings another tab to the front.
func (f *firefox) hide(t *testing.T) (show func()) {
	t.Helper()
	var other struct{ Context string }
	f.call(t, "browsingContext.create", map[string]any{"type": "tab"}, &other)
	f.call(t, "browsingContext.activate", map[string]any{"context": other.Context}, nil)
	return func() {
		f.call(t, "browsingContext.close", map[string]any{"context": other.Context}, nil)
		f.call(t, "browsingContext.activate", map[string]any{"context": f.context}, nil)
	}
}

func (f *firefox) downloads() string { return f.folder }

var _ tab = (*firefox)(nil)
