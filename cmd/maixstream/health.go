package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/web"
)

// watchdogPatience is how late a picture may be: the pipeline gives a silent source three seconds and tries again every five, and what opens a camera takes
// its time. On top comes how long stalled viewers may hold every slot.
const watchdogPatience = 20 * time.Second

// health judges whether serve does what it is there for. /healthz tells the judgement, make flash waits for it there, and the service manager's watchdog goes
// by the part of it that a new start may mend.
type health struct {
	pipeline  *pipeline.Pipeline
	recording *record.Switch // nil: none
	patience  time.Duration  // beyond two frame times
}

// check returns what is wrong; nil: nothing. restart says whether starting the program again may help: not against an unplugged webcam, nor a full disk.
func (h health) check() (problem error, restart bool) {
	problem = h.pipeline.Health(h.patience)
	restart = errors.Is(problem, pipeline.ErrHung)
	if h.recording != nil {
		if s := h.recording.State(); s.On && s.Error != "" {
			problem = errors.Join(problem, fmt.Errorf("recording into %s: %s", s.Dir, s.Error))
		}
	}
	return problem, restart
}

// tell is check as /healthz has it. While there is time for the first picture it says that there is none yet.
func (h health) tell() error {
	problem, _ := h.check()
	if problem == nil && h.pipeline.State().Published == 0 {
		return fmt.Errorf("%w: no picture yet", web.ErrStarting)
	}
	return problem
}
