package film

import (
	"errors"
	"fmt"
	"io"

	"github.com/maixstream/maixstream/hw/frame"
)

// Ending decides what follows the last picture of a looped file. It belongs to the reading goroutine.
type Ending struct {
	Name    string      // prefix of errors: the format and the path
	Picture string      // the format's word for a picture, in errors
	Once    bool        // play the file once
	Warn    func(error) // called once if the file is damaged; nil disables it

	warned bool
}

// Reached is called when no picture could be read because of cause: io.EOF, or damage. delivered reports whether there was a picture since the
// beginning. It calls rewind to play the file again. Errors wrap frame.ErrEnd or frame.ErrGone.
func (e *Ending) Reached(cause error, delivered bool, rewind func() error) error {
	if !errors.Is(cause, io.EOF) && !e.warned {
		e.warned = true
		if e.Warn != nil {
			e.Warn(fmt.Errorf("%s: damaged; playing only the part before: %w", e.Name, cause))
		}
	}
	switch {
	case e.Once:
		return fmt.Errorf("%s: %w", e.Name, frame.ErrEnd)
	case !delivered:
		return fmt.Errorf("%s: %w: no complete %s left in the file: %w", e.Name, frame.ErrGone, e.Picture, cause)
	}
	if err := rewind(); err != nil {
		return fmt.Errorf("%s: %w: rewind: %w", e.Name, frame.ErrGone, err)
	}
	return nil
}
