package record

import "sync"

// Switch is a recorder that can be switched off and on again. Its methods may be called from any goroutine.
type Switch struct {
	config Config
	change sync.Mutex // held by Set, which may wait for the disk

	mu      sync.Mutex
	running *Recorder // nil: off
	ending  *Recorder // is being switched off
	last    State     // of the one that ran last
	failed  string    // why it could not be switched
}

// SwitchState is a Switch at one moment.
type SwitchState struct {
	On  bool   `json:"on"`
	Dir string `json:"dir"`
	As  string `json:"as"` // "avi" or "mp4"
	State
}

// NewSwitch returns a Switch that is off.
func NewSwitch(c Config) *Switch { return &Switch{config: c} }

// Set switches it on, with Start's errors, or off: the running piece is finished then, with Close's. Nothing happens when it is so already.
func (s *Switch) Set(on bool) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	running := s.running
	if !on {
		s.running, s.ending = nil, running
	}
	s.mu.Unlock()
	if on == (running != nil) {
		return nil
	}
	var err error
	if on {
		running, err = Start(s.config)
	} else {
		err = running.Close() // the disk may take its time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = ""
	if err != nil {
		s.failed = err.Error()
	}
	if on {
		s.running = running // nil after an error
		return err
	}
	s.last, s.ending = running.State(), nil
	return err
}

// State is the running recorder's, or that of the one that ran last. It waits for no disk.
func (s *Switch) State() SwitchState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := SwitchState{On: s.running != nil, Dir: s.config.Dir, As: "avi", State: s.last}
	if s.config.Video != nil {
		state.As = "mp4"
	}
	switch {
	case s.running != nil:
		state.State = s.running.State()
	case s.ending != nil:
		state.State = s.ending.State()
	default:
		state.File = ""
	}
	if s.failed != "" {
		state.Error = s.failed
	}
	return state
}

// Close switches it off.
func (s *Switch) Close() error { return s.Set(false) }
