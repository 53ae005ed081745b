package stream_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// axe-core checks every state of the pages (WCAG 2.2 A and AA, and its best practices), light and dark.
func TestPageIsAccessible(t *testing.T) {
	testenv.Long(t, "starts a browser")
	axe := testenv.Axe(t)
	t.Parallel()
	whole := t
	b := startChromium(t)
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	protected := c.show(t, "127.0.0.1:0", func(config *config) { config.TokenFile = write(t, "tokens", "0123456789abcdef") })
	alone := c.show(t, "127.0.0.1:0", nil)

	for _, dark := range []bool{false, true} {
		theme := map[bool]string{false: " light", true: " dark"}[dark]
		b.dark(t, dark)
		check := func(name, url string, prepare func(*testing.T)) {
			t.Run(name+theme, func(t *testing.T) {
				b.viewport(t, 1280, 800)
				if url != "" {
					b.open(t, url)
				}
				prepare(t)
				findings(t, b, axe)
			})
		}
		check("page", s.URLs()[0], func(t *testing.T) { wait(t, b, "the page is live", live) })
		check("page on a phone", s.URLs()[0], func(t *testing.T) {
			b.viewport(t, 390, 844)
			wait(t, b, "the page is live", live)
		})
		check("no signal", s.URLs()[0], func(t *testing.T) {
			wait(t, b, "the page is live", live)
			c.pulled.Store(true)
			eventually(t, "the notice", func() bool { return strings.HasPrefix(text(t, b, "notice"), "No signal.") })
			b.eval(t, `document.getElementById("snapshot").click()`)
			eventually(t, "a problem", func() bool { return text(t, b, "problem") != "" })
		})
		c.pulled.Store(false)
		check("login", protected.URLs()[0], func(t *testing.T) { wait(t, b, "the form", `document.querySelector("[name=token]")`) })
		check("login refused", "", func(t *testing.T) {
			b.eval(t, `(() => { document.querySelector("[name=token]").value = "x"; document.querySelector("form").submit() })()`)
			wait(t, b, "the refusal", `document.querySelector("[role=alert]")?.innerText.includes("not known")`)
		})
		check("logged in", "", func(t *testing.T) {
			b.eval(t, `(() => { document.querySelector("[name=token]").value = "0123456789abcdef"; document.querySelector("form").submit() })()`)
			wait(t, b, "the page is live", `document.getElementById("live-text")?.textContent === "Live"`)
			t.Cleanup(func() {
				b.eval(t, `document.querySelector("#logout button").click()`)
				wait(t, b, "the form", `document.querySelector("[name=token]")`)
			})
		})
		check("connection lost", alone.URLs()[0], func(t *testing.T) {
			wait(t, b, "the page is live", live)
			where := address(alone)
			if err := alone.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the notice", func() bool { return strings.HasPrefix(text(t, b, "notice"), "Connection lost.") })
			findings(t, b, axe)
			alone = c.show(whole, where, nil)
			wait(t, b, "the page is live", live)
		})
	}

	// The check detects violations on a bad page.
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><img src="data:,"><input><p style="color:#ccc;background:#fff">pale`))
	}))
	defer bad.Close()
	b.open(t, bad.URL)
	if found := violations(t, b, axe); len(found) < 4 {
		t.Errorf("a bad page has only %d findings", len(found))
	}
}

type violation struct {
	ID, Impact, Help string
	Nodes            []string
}

func violations(t *testing.T, b tab, axe string) (found []violation) {
	t.Helper()
	b.eval(t, "(0, () => {"+axe+"\n})()")
	// Colours in transition are not checked.
	result := b.eval(t, `(async () => {
		await Promise.all(document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations < 100).map((a) => a.finished));
		const r = await axe.run(document);
		return JSON.stringify(r.violations.map((v) => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => n.html + " " + n.failureSummary)})));
	})()`)
	if err := json.Unmarshal([]byte(result), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func findings(t *testing.T, b tab, axe string) {
	t.Helper()
	for _, v := range violations(t, b, axe) {
		t.Errorf("%s (%s): %s: %s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "; "))
	}
}
