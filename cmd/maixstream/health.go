package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/web"
)

// watchdogPatience is how late a picture may be: the pipeline waits three seconds for a silent source and reopens it every five, opening a camera takes
// time, and stalled viewers may hold every slot for a while.
const watchdogPatience = 20 * time.Second

// health judges whether serve works. /healthz reports the result, which make flash waits for, and the service manager's watchdog depends on
// the part of it that a restart may fix.
type health struct {
	pipeline  *pipeline.Pipeline
	recording *record.Switch // nil without recording
	patience  time.Duration  // beyond two frame times
}

// check returns what is wrong, or nil. restart reports whether a restart may help: not with an unplugged webcam or a full disk.
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

// report is check for /healthz: until the first picture is overdue, it returns web.ErrStarting.
func (h health) report() error {
	problem, _ := h.check()
	if problem == nil && h.pipeline.State().Published == 0 {
		return fmt.Errorf("%w: no picture yet", web.ErrStarting)
	}
	return problem
}
