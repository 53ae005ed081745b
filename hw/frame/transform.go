package frame

// Look is which part of a picture is shown, how it is turned and what is written over it, applied in this order: view, mirror, flip, rotate,
// overlay.
type Look struct {
	View    View   // of the picture as the camera delivers it
	Mirror  bool   // left to right
	Flip    bool   // top to bottom
	Rotate  int    // clockwise: 0, 90, 180 or 270 degrees
	Overlay string // text with strftime's % fields, from the frame's capture time; "": none
}

// Transform gives raw frames a Look before they are encoded. One goroutine uses a Transform at a time; make one for each worker.
type Transform interface {
	// Apply returns f itself (untouched, or changed in place where its planes are mapped and may be written), or a frame of the
	// Transform's own, valid until the next Apply; f is the caller's to release in any case. Steady state: no garbage.
	Apply(f *Frame, look *Look) (*Frame, error)
}
