package frame

// Look is how a picture is turned, which part of it is shown and what is written over it, applied in this order: mirror, flip, rotate, view,
// overlay.
type Look struct {
	View    View   // of the turned picture, as it is seen
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
