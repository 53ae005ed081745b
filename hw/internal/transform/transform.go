package transform

import (
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Transform is a frame.Transform. It owns a frame of the size last requested, and a second one while a part is magnified. It
// never writes to its input frames: a source may deliver the same memory twice.
type Transform struct {
	own     *frame.Frame
	view    magnifier
	overlay overlay
}

var _ frame.Transform = (*Transform)(nil)

// New returns a Transform.
func New() *Transform { return &Transform{} }

// Apply returns f itself if look changes nothing, else the Transform's own frame with the transformed picture, valid until
// the next Apply. f remains the caller's. It fails if Rotate is not a multiple of 90 degrees, or f cannot be mapped.
func (t *Transform) Apply(f *frame.Frame, look *frame.Look) (*frame.Frame, error) {
	if f == nil || look == nil {
		return nil, errors.New("transform: no frame or no look")
	}
	if *look == (frame.Look{}) {
		return f, nil
	}
	if err := CheckRotate(look.Rotate); err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	if err := f.Map(); err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	result := f
	if !t.still(look) || look.View.Whole() { // a magnified part already is an own frame
		w, h := Size(f.Width, f.Height, look.Rotate)
		if t.own == nil || t.own.Format != f.Format || t.own.Width != w || t.own.Height != h {
			own, err := frame.Alloc(f.Format, w, h)
			if err != nil {
				return nil, fmt.Errorf("transform: %w", err)
			}
			t.own = own
		}
		if err := Orient(t.own, f, look.Mirror, look.Flip, look.Rotate); err != nil {
			return nil, err
		}
		t.own.Captured, t.own.Sequence = f.Captured, f.Sequence
		result = t.own
	}
	if !look.View.Whole() {
		var err error
		if result, err = t.view.apply(result, look.View); err != nil {
			return nil, err
		}
	}
	if look.Overlay != "" {
		if err := t.overlay.draw(result, look.Overlay); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// still reports whether look leaves the orientation unchanged.
func (*Transform) still(look *frame.Look) bool { return !look.Mirror && !look.Flip && look.Rotate == 0 }
