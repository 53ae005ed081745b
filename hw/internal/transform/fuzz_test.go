package transform_test

import (
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/transform"
)

// Any text over any picture is drawn within the picture, and only below the box's upper edge.
func FuzzOverlayText(f *testing.F) {
	f.Add("garden %H:%M:%S.%L", uint8(64), uint8(48), int64(1700000000), byte(0))
	f.Add("%", uint8(1), uint8(1), int64(-1), byte(3))
	f.Add("%Q%é\n\n%N\xff\x00\u202e日本", uint8(255), uint8(2), int64(1<<40), byte(8))
	f.Add("%99999999d%-H%^a%E%O", uint8(33), uint8(200), int64(0), byte(6))
	f.Fuzz(func(t *testing.T, text string, w, h uint8, seconds int64, format byte) {
		if len(text) > 4096 {
			return
		}
		width, height := max(int(w)&^1, 2), max(int(h)&^1, 2) // chroma samples require even sizes
		src, err := frame.Alloc(formats[int(format)%len(formats)], width, height)
		if err != nil {
			t.Fatal(err)
		}
		src.Captured = time.Unix(seconds%(1<<40), 0).UTC()
		tr := transform.New()
		for range 2 { // the second time from the cached rendering
			got, err := tr.Apply(src, &frame.Look{Overlay: text})
			if err != nil {
				t.Fatal(err)
			}
			if got.Width != width || got.Height != height {
				t.Fatalf("%dx%d of %dx%d", got.Width, got.Height, width, height)
			}
		}
		for _, b := range src.Planes {
			for _, v := range b {
				if v != 0 {
					t.Fatal("the source's own frame was drawn on")
				}
			}
		}
	})
}
