package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/internal/testenv"
)

// finger is where a finger is put down and where it is lifted, in px of the window.
type finger struct{ x, y, toX, toY float64 }

// drag moves fingers from their first to their last points, all at once.
func (c *chromium) drag(t *testing.T, fingers ...finger) {
	t.Helper()
	const steps = 8
	c.do(t, touch(input.DispatchTouchEventTypeTouchStart, 0, fingers))
	for i := range steps {
		c.do(t, touch(input.DispatchTouchEventTypeTouchMove, float64(i+1)/steps, fingers))
	}
	time.Sleep(200 * time.Millisecond) // a finger that rests does not fling the page, which the next tap would only stop
	c.do(t, touch(input.DispatchTouchEventTypeTouchEnd, 1, nil))
}

func (c *chromium) tap(t *testing.T, x, y float64) {
	t.Helper()
	c.do(t, touch(input.DispatchTouchEventTypeTouchStart, 0, []finger{{x, y, x, y}}), touch(input.DispatchTouchEventTypeTouchEnd, 0, nil))
}

// touch is an event with fingers that have gone a share of their way.
func touch(kind input.DispatchTouchEventType, share float64, fingers []finger) chromedp.Action[chromedp.Void] {
	params := input.DispatchTouchEventParams{Type: kind, TouchPoints: []*input.TouchPoint{}}
	for i, f := range fingers {
		id := float64(i)
		params.TouchPoints = append(params.TouchPoints, &input.TouchPoint{X: f.x + (f.toX-f.x)*share, Y: f.y + (f.toY-f.y)*share, ID: &id})
	}
	return call(input.DispatchTouchEvent, params)
}

// wheel turns the mouse wheel over a point; with control it is a touchpad's pinch.
func (c *chromium) wheel(t *testing.T, x, y, delta float64, control bool) {
	t.Helper()
	const down = 2 // DispatchMouseEventParams.Modifiers
	// (DispatchMouseEventParams leaves out a delta of 0, which Chromium insists on)
	params := map[string]any{"type": input.DispatchMouseEventTypeMouseWheel, "x": x, "y": y, "deltaX": 0, "deltaY": delta}
	if control {
		params["modifiers"] = down
	}
	c.do(t, call(cdp.Command[map[string]any, cdp.Empty]{Method: input.CommandDispatchMouseEvent}, params))
}

// box returns an element's centre and size.
func (c *chromium) box(t *testing.T, id string) (x, y, width, height float64) {
	t.Helper()
	at := c.eval(t, `(() => { const r = document.getElementById("`+id+`").getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width, r.height].join(" ") })()`)
	if _, err := fmt.Sscan(at, &x, &y, &width, &height); err != nil {
		t.Fatalf("%s: %q: %v", id, at, err)
	}
	return x, y, width, height
}

// On a phone: two fingers zoom the picture, one finger moves a zoomed picture and otherwise scrolls the page, and the settings take fingers.
func TestTouch(t *testing.T) {
	testenv.Long(t, "starts a browser")
	b := startChromium(t)
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.do(t, call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 5}))
	b.viewport(t, 390, 844)
	b.open(t, s.URLs()[0])
	wait(t, b, "settings can be changed", live+` && !document.getElementById("quality").disabled`)
	x, y, _, _ := b.box(t, "stage")
	b.eval(t, `(window.cancelled = 0, document.getElementById("stage").addEventListener("pointercancel", () => window.cancelled++))`)

	for _, c := range []struct {
		name   string
		dx, dy float64 // from the centre to either finger
	}{{"level", 45, 0}, {"upright", 0, 45}, {"slanting", 30, 30}} {
		apart := []finger{{x - c.dx, y - c.dy, x - 3*c.dx, y - 3*c.dy}, {x + c.dx, y + c.dy, x + 3*c.dx, y + 3*c.dy}}
		b.drag(t, apart...)
		wait(t, b, c.name+": apart, the picture is zoomed by as much", `Math.abs(zoom.by - 3) < 0.1 && Math.abs(zoom.x) < 10 && Math.abs(zoom.y) < 10`)
		var together []finger
		for _, f := range apart {
			together = append(together, finger{f.toX, f.toY, f.x, f.y})
		}
		b.drag(t, together...)
		wait(t, b, c.name+": together, the picture is whole", `zoom.by < 1.05`)
		b.eval(t, `(zoom.by = 1, look())`)
	}
	if scale := b.eval(t, `visualViewport.scale + " " + scrollY + " " + window.cancelled`); scale != "1 0 0" {
		t.Errorf("pinching the picture: the page's scale, position and cancelled touches are %s", scale)
	}

	b.drag(t, finger{x - 40, y, x - 100, y}, finger{x + 40, y, x + 100, y})
	wait(t, b, "zoomed", `Math.abs(zoom.by - 2.5) < 0.1`)
	b.drag(t, finger{x, y, x + 60, y - 40})
	wait(t, b, "one finger moves the picture", `Math.abs(zoom.x - 60) < 20 && Math.abs(zoom.y + 40) < 20 && scrollY === 0`)
	b.eval(t, `document.getElementById("unzoom").click()`)
	wait(t, b, "the whole picture", `zoom.by === 1`)

	b.drag(t, finger{x, y + 60, x, y - 100})
	wait(t, b, "one finger scrolls the page", `scrollY > 50 && zoom.by === 1`)
	b.eval(t, `document.getElementById("quality").scrollIntoView({ block: "center", behavior: "instant" })`)
	x, y, width, _ := b.box(t, "quality")
	b.drag(t, finger{x, y, x - 0.3*width, y})
	eventually(t, "a slider follows a finger", func() bool { q := c.State().Settings.Quality; return q > 5 && q < 40 })
	b.eval(t, `document.getElementById("reflect").scrollIntoView({ block: "center", behavior: "instant" })`)
	x, y, _, _ = b.box(t, "reflect")
	b.tap(t, x, y)
	wait(t, b, "a switch follows a tap", `document.getElementById("reflect").checked && turn.mirror`)
	x, y, _, _ = b.box(t, "full")
	b.tap(t, x, y)
	wait(t, b, "the picture fills the screen", `document.fullscreenElement?.id === "viewer" && document.getElementById("stage").clientHeight === innerHeight`)
}

// The mouse's wheel and a touchpad's pinch zoom the picture under the pointer, and scroll the settings beside it.
func TestWheel(t *testing.T) {
	testenv.Long(t, "starts a browser")
	b := startChromium(t)
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	b.viewport(t, 800, 480)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	b.eval(t, `panel(true)`)
	x, y, _, _ := b.box(t, "stage")
	for _, control := range []bool{false, true} {
		b.wheel(t, x, y, -100, control)
		wait(t, b, "zoomed", `zoom.by > 1.15 && Math.abs(zoom.x) < 1 && Math.abs(zoom.y) < 1`)
		b.wheel(t, x, y, 150, control)
		wait(t, b, "the whole picture", `zoom.by === 1`)
	}
	x, y, _, _ = b.box(t, "panel")
	b.wheel(t, x, y, 120, false)
	wait(t, b, "the settings are scrolled", `document.getElementById("panel").scrollTop > 50 && zoom.by === 1`)
	if scale := b.eval(t, `visualViewport.scale`); scale != "1" {
		t.Errorf("the page's scale is %s", scale)
	}
}
