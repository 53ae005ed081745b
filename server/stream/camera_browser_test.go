package stream_test

import (
	"fmt"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// pageControlsCamera moves the camera's controls in the page, and sees changes by others.
func pageControlsCamera(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 640, 480)
	s := c.show(t, "127.0.0.1:0", nil)
	value := func(name string) int64 {
		t.Helper()
		list, err := c.Controls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return frame.FindControl(list, name).Value
	}
	b.open(t, s.URLs()[0])
	wait(t, b, "the panel", `!document.getElementById("camera").hidden && document.getElementById("control-zoom_absolute") !== null`)
	wait(t, b, "pan rests", `document.getElementById("control-pan_absolute").disabled`)
	move := func(name, value string) {
		t.Helper()
		b.eval(t, fmt.Sprintf(`(() => { const e = document.getElementById("control-%s"); e.value = %q; e.dispatchEvent(new Event("input")) })()`, name, value))
	}
	move("zoom_absolute", "300")
	eventually(t, "zoom 300 %", func() bool { return value("zoom_absolute") == 300 })
	wait(t, b, "pan is free", `!document.getElementById("control-pan_absolute").disabled`)
	move("pan_absolute", "-40")
	eventually(t, "pan -40 %", func() bool { return value("pan_absolute") == -40 })

	// Another client moves one.
	if _, err := c.SetControls(t.Context(), []frame.ControlValue{{Name: "zoom_absolute", Value: 500}}, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, b, "the page follows", `document.getElementById("control-zoom_absolute").value === "500"`)
	b.eval(t, `document.querySelector("#control-pan_absolute").parentElement.querySelector(".reset").click()`)
	eventually(t, "pan at its default", func() bool { return value("pan_absolute") == 0 })
	wait(t, b, "the page can reset all", `!document.getElementById("camera-reset").disabled`)
	b.eval(t, `document.getElementById("camera-reset").click()`)
	eventually(t, "zoom at its default", func() bool { return value("zoom_absolute") == 100 })

	c.pulled.Store(true)
	wait(t, b, "nothing can be moved without signal", `document.getElementById("camera-set").disabled`)
	c.pulled.Store(false)
	wait(t, b, "the signal restored", `!document.getElementById("camera-set").disabled`)
}
