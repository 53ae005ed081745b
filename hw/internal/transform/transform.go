package transform

import (
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Transform is a frame.Transform. It keeps a frame of its own, of the size that it was last asked for, and a second one while a part is enlarged. It
// never writes into the frames that it is given: a source may show the same memory twice.
type Transform struct {
	own     *frame.Frame
	view    magnifier
	overlay overlay
}

var _ frame.Transform = (*Transform)(nil)

// New makes a Transform.
func New() *Transform { return &Transform{} }

// Apply returns f itself where look changes nothing, or a frame of the Transform's own with f's picture as look wants it, valid until
// the next Apply. f stays the caller's. Errors: degrees that are no right angle, a frame that cannot be mapped.
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
	if !t.still(look) || look.View.Whole() { // a part that is enlarged is a frame of its own already
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

// still says whether look leaves a picture as it lies.
func (*Transform) still(look *frame.Look) bool { return !look.Mirror && !look.Flip && look.Rotate == 0 }
