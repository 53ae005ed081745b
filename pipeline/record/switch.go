package record

import "sync"

// Switch is a recorder that can be switched off and on again. Its methods may be called from any goroutine.
type Switch struct {
	config Config

	mu      sync.Mutex
	running *Recorder // nil: off
	last    State     // of the one that ran last
	failed  string    // why it could not be switched
}

// SwitchState is a Switch at one moment.
type SwitchState struct {
	On  bool   `json:"on"`
	Dir string `json:"dir"`
	State
}

// NewSwitch returns a Switch that is off.
func NewSwitch(c Config) *Switch { return &Switch{config: c} }

// Set switches it on, with Start's errors, or off: the running piece is finished then. Nothing happens when it is so already.
func (s *Switch) Set(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on == (s.running != nil) {
		return nil
	}
	var err error
	if on {
		s.running, err = Start(s.config)
	} else {
		err = s.running.Close()
		s.last, s.running = s.running.State(), nil
	}
	s.failed = ""
	if err != nil {
		s.failed = err.Error()
	}
	return err
}

// State is the running recorder's, or that of the one that ran last.
func (s *Switch) State() SwitchState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := SwitchState{On: s.running != nil, Dir: s.config.Dir, State: s.last}
	if s.running != nil {
		state.State = s.running.State()
	} else {
		state.File = ""
	}
	if s.failed != "" {
		state.Error = s.failed
	}
	return state
}

// Close switches it off.
func (s *Switch) Close() error { return s.Set(false) }
