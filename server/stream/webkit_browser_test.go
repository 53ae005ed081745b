package stream_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// webkit is WebKitGTK's MiniBrowser on a virtual screen, driven by WebDriver (https://www.w3.org/TR/webdriver2/): the engine of Safari and
// GNOME Web.
type webkit struct {
	session string // the session's URL
	folder  string
}

func startWebKit(t *testing.T) *webkit {
	t.Helper()
	driver := testenv.Program(t, "WebKitWebDriver")
	found, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.1/MiniBrowser")
	if len(found) == 0 {
		testenv.Missing(t, "MiniBrowser", "make setup-test")
	}
	display := startXvfb(t)
	home := t.TempDir()
	w := &webkit{folder: filepath.Join(home, "Downloads")}
	if err := os.Mkdir(w.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	port := testenv.FreePort(t, "127.0.0.1")
	cmd := exec.Command(driver, "--host=127.0.0.1", fmt.Sprintf("--port=%d", port))
	cmd.Env = append(os.Environ(), "DISPLAY="+display, "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "XDG_CACHE_HOME="+home, "XDG_RUNTIME_DIR="+home,
		"GSETTINGS_BACKEND=memory", "NO_AT_BRIDGE=1", "LIBGL_ALWAYS_SOFTWARE=1", "WEBKIT_DISABLE_DMABUF_RENDERER=1", "GDK_BACKEND=x11")
	if err := os.WriteFile(filepath.Join(home, "user-dirs.dirs"), []byte(`XDG_DOWNLOAD_DIR="$HOME/Downloads"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, cmd)
	root := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, "WebKitWebDriver listens", func() bool {
		reply, err := http.Get(root + "/status")
		if err != nil {
			return false
		}
		reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
	var session struct{ SessionID string }
	w.session = root
	w.call(t, "POST", "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"webkitgtk:browserOptions": map[string]any{"binary": found[0], "args": []string{"--automation"}},
	}}}, &session)
	w.session = root + "/session/" + session.SessionID
	t.Cleanup(func() { w.try("DELETE", "", nil, nil) })
	w.call(t, "POST", "/timeouts", map[string]any{"script": 50000, "pageLoad": 50000}, nil)
	return w
}

// startXvfb starts a virtual screen and returns its display name.
func startXvfb(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "Xvfb"), "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, cmd)
	number, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb did not report its display: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// run starts a helper process that ends with the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
	})
}

// try sends a command; it returns the driver's refusal, if any.
func (w *webkit) try(method, path string, params, result any) (refused string) {
	body := []byte("{}")
	if params != nil {
		body, _ = json.Marshal(params)
	}
	if method != "POST" {
		body = nil
	}
	r, err := http.NewRequest(method, w.session+path, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	client := http.Client{Timeout: time.Minute}
	reply, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err.Error()
	}
	var answer struct{ Value json.RawMessage }
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Sprintf("%v in %.200q", err, text)
	}
	if reply.StatusCode != http.StatusOK {
		var failed struct{ Error, Message string }
		_ = json.Unmarshal(answer.Value, &failed)
		return path + ": " + failed.Error + ": " + failed.Message
	}
	if result != nil {
		if err := json.Unmarshal(answer.Value, result); err != nil {
			return fmt.Sprintf("%s: %v in %.200s", path, err, answer.Value)
		}
	}
	return ""
}

func (w *webkit) call(t *testing.T, method, path string, params, result any) {
	t.Helper()
	if refused := w.try(method, path, params, result); refused != "" {
		t.Fatal(refused)
	}
}

func (w *webkit) open(t *testing.T, url string) {
	t.Helper()
	w.call(t, "POST", "/url", map[string]any{"url": url}, nil)
}

func (w *webkit) eval(t *testing.T, expression string) string {
	t.Helper()
	var value struct{ Text, Error string }
	script := `const done = arguments[arguments.length - 1];
		(async () => String(await (` + expression + `)))().then((text) => done({ text }), (e) => done({ error: String(e) }));`
	refused := w.try("POST", "/execute/async", map[string]any{"script": script, "args": []any{}}, &value)
	if gone(refused) || strings.Contains(refused, "unloaded") {
		return ""
	}
	if refused != "" || value.Error != "" {
		t.Fatalf("%.200s: %s%s", expression, refused, value.Error)
	}
	return value.Text
}

func (w *webkit) screenshot(t *testing.T) (image.Image, []byte) {
	t.Helper()
	var data string
	w.call(t, "GET", "/screenshot", nil, &data)
	png, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		t.Fatal(err)
	}
	return img, png
}

func (w *webkit) press(t *testing.T, keys ...string) {
	t.Helper()
	var actions []map[string]any
	for _, key := range keys {
		if code, ok := keyCodes[key]; ok {
			key = code
		}
		actions = append(actions, map[string]any{"type": "keyDown", "value": key}, map[string]any{"type": "keyUp", "value": key})
	}
	w.call(t, "POST", "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

// viewport resizes the window so that its viewport has the requested size.
func (w *webkit) viewport(t *testing.T, width, height int) {
	t.Helper()
	if width < 450 {
		testenv.Unable(t, "MiniBrowser's window is not as narrow")
	}
	var r struct{ Width, Height int }
	w.call(t, "GET", "/window/rect", nil, &r)
	for range 3 {
		var inner [2]int
		if _, err := fmt.Sscan(w.eval(t, `innerWidth + " " + innerHeight`), &inner[0], &inner[1]); err != nil {
			t.Fatal(err)
		}
		if inner == [2]int{width, height} {
			return
		}
		r.Width, r.Height = r.Width+width-inner[0], r.Height+height-inner[1]
		w.call(t, "POST", "/window/rect", map[string]any{"width": r.Width, "height": r.Height}, nil)
		w.eval(t, `new Promise((done) => setTimeout(done, 300))`)
	}
}

// hide minimises the window.
func (w *webkit) hide(t *testing.T) (show func()) {
	t.Helper()
	w.call(t, "POST", "/window/minimize", nil, nil)
	return func() { w.call(t, "POST", "/window/rect", map[string]any{"x": 0, "y": 0}, nil) }
}

func (w *webkit) downloads() string { return w.folder }

var _ tab = (*webkit)(nil)
