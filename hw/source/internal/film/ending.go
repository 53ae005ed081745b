package film

import (
	"errors"
	"fmt"
	"io"

	"github.com/maixstream/maixstream/hw/frame"
)

// Ending decides what follows the last picture of a file that is played in a loop. It belongs to the goroutine that reads.
type Ending struct {
	Name    string      // what errors begin with: the format and the path
	Picture string      // what the format calls a picture, in errors
	Once    bool        // the file is played once
	Warn    func(error) // is told, once, of a file that is cut off; nil disables it

	warned bool
}

// Reached is called where no picture could be read, because of cause: io.EOF, or what is damaged. delivered: there was a picture since the
// beginning. It calls rewind where the file is to be played again. Errors wrap frame.ErrEnd or frame.ErrGone.
func (e *Ending) Reached(cause error, delivered bool, rewind func() error) error {
	if !errors.Is(cause, io.EOF) && !e.warned {
		e.warned = true
		if e.Warn != nil {
			e.Warn(fmt.Errorf("%s: damaged: played up to there: %w", e.Name, cause))
		}
	}
	switch {
	case e.Once:
		return fmt.Errorf("%s: %w", e.Name, frame.ErrEnd)
	case !delivered:
		return fmt.Errorf("%s: %w: no whole %s in it any more: %w", e.Name, frame.ErrGone, e.Picture, cause)
	}
	if err := rewind(); err != nil {
		return fmt.Errorf("%s: %w: begin again: %w", e.Name, frame.ErrGone, err)
	}
	return nil
}
