package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/wholefile"
	"github.com/maixstream/maixstream/server/stream"
)

// stateFile keeps what was set while the program ran, of each source, over restarts.
type stateFile struct {
	path string // "": nothing is kept
	log  *zap.Logger

	mu     sync.Mutex
	failed bool // and that was logged
}

// storedState is the file's JSON.
type storedState struct {
	Sources map[string]storedSource `json:"sources"`
}

type storedSource struct {
	Controls map[string]int64 `json:"controls,omitempty"`
	Settings *stream.Settings `json:"settings,omitempty"` // nil: those of the command line hold at the next start
}

// defaultStateFile is beside the service's data (systemd's StateDirectory=), else where the user's programs keep their state; "" where neither is known.
func defaultStateFile(env func(string) (string, bool)) string {
	if dir, ok := env("STATE_DIRECTORY"); ok && dir != "" {
		return filepath.Join(filepath.SplitList(dir)[0], "state.json")
	}
	if dir, ok := env("XDG_STATE_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "maixstream", "state.json")
	}
	if home, ok := env("HOME"); ok && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "maixstream", "state.json")
	}
	return ""
}

// controls returns what was kept of a source. A file that is not there is an empty one; one that cannot be read is said and left alone.
func (f *stateFile) controls(source string) []frame.ControlValue {
	state, err := f.read()
	if err != nil {
		f.log.Warn("state file ignored", zap.Error(err))
		return nil
	}
	kept := state.Sources[source].Controls
	var values []frame.ControlValue
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		values = append(values, frame.ControlValue{Name: name, Value: kept[name]})
	}
	return values
}

func (f *stateFile) read() (state storedState, err error) {
	if f.path == "" {
		return state, nil
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return storedState{}, fmt.Errorf("%s: %w", f.path, err)
	}
	return state, nil
}

// keep writes a source's controls into the file, beside those of other sources.
func (f *stateFile) keep(source string, values []frame.ControlValue) {
	if f.path == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.write(source, func(s *storedSource) {
		s.Controls = map[string]int64{}
		for _, v := range values {
			s.Controls[v.Name] = v.Value
		}
	})
	if err != nil && !f.failed {
		f.log.Warn("controls are not kept over a restart", zap.Error(err))
	}
	f.failed = err != nil
}

// write changes what is stored of a source. mu is held.
func (f *stateFile) write(source string, change func(*storedSource)) error {
	state, err := f.read()
	if err != nil {
		return err
	}
	if state.Sources == nil {
		state.Sources = map[string]storedSource{}
	}
	stored := state.Sources[source]
	change(&stored)
	if state.Sources[source] = stored; len(stored.Controls) == 0 && stored.Settings == nil {
		delete(state.Sources, source)
	}
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o750); err != nil {
		return err
	}
	return wholefile.Write(f.path, append(text, '\n'), 0o640)
}
