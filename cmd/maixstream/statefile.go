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

// stateFile stores each source's runtime settings across restarts.
type stateFile struct {
	path string // "": nothing is stored
	log  *zap.Logger

	mu     sync.Mutex
	failed bool // and the failure was logged
}

// maxState is the maximum size of the file in bytes, far above that of any state.
const maxState = 1 << 20

// storedState is the file's JSON.
type storedState struct {
	Sources map[string]storedSource `json:"sources"`
}

type storedSource struct {
	Controls map[string]int64 `json:"controls,omitempty"`
	Settings *stream.Settings `json:"settings,omitempty"` // nil: the command line's apply at the next start
}

// defaultStateFile is in the service's StateDirectory=, else in the user's state directory; "" if neither is known.
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

// controls returns a source's stored controls. A missing file counts as empty; an unreadable one is logged and left alone.
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
	text, err := wholefile.Read(f.path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return storedState{}, fmt.Errorf("%s is damaged, repair or delete it: %w", f.path, err)
	}
	return state, nil
}

// keep stores a source's controls, beside those of other sources.
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

// write changes what is stored for a source. The caller holds mu.
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
