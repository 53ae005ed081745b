package main

import (
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/stream"
)

// keeper stores one source's settings in the state file on request.
type keeper struct {
	file   *stateFile
	source string
	kept   atomic.Bool
}

// keeper returns the keeper of this source's settings, nil without a state file.
func (s *serveFlags) keeper() stream.Keeper {
	if s.state == nil || s.state.path == "" {
		return nil
	}
	k := &keeper{file: s.state, source: *s.source}
	k.kept.Store(s.kept != nil)
	return k
}

// Kept implements stream.Keeper.
func (k *keeper) Kept() bool { return k.kept.Load() }

// Keep implements stream.Keeper.
func (k *keeper) Keep(settings pipeline.Settings, on bool) error {
	f := k.file
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.write(k.source, func(s *storedSource) {
		if s.Settings = nil; on {
			now := stream.Settings(settings)
			s.Settings = &now
		}
	}); err != nil {
		return err
	}
	k.kept.Store(on)
	return nil
}

var _ stream.Keeper = (*keeper)(nil)

// settings returns the stored settings of a source, nil if there are none.
func (f *stateFile) settings(source string) *stream.Settings {
	state, err := f.read()
	if err != nil {
		return nil // logged by controls
	}
	kept := state.Sources[source].Settings
	if kept == nil {
		return nil
	}
	now := pipeline.Settings(*kept)
	if err := now.Check(); err != nil {
		f.log.Warn("kept settings ignored", zap.Error(err))
		return nil
	}
	return kept
}

// applyKept applies stored values to settings absent from the command line, as far as a source (nil: not known) supports them.
func (s *sourceFlags) applyKept(settings *pipeline.Settings, source frame.Source) {
	if s.kept == nil {
		return
	}
	given, k := s.set.Changed, s.kept
	if !given("size") {
		settings.Width, settings.Height = k.Width, k.Height
	}
	if !given("fps") {
		settings.FPS = k.FPS
	}
	if !given("quality") {
		settings.Quality = k.Quality
	}
	if !given("bitrate") {
		settings.Bitrate = k.Bitrate
	}
	if !given("gop") {
		settings.GOP = k.GOP
	}
	_, passed := source.(frame.JPEGSource)
	_, orients := source.(frame.Orienter)
	_, overlays := source.(frame.Overlayer)
	if !given("rotate") {
		settings.Rotate = only(!passed, k.Rotate)
	}
	if !given("mirror") && !given("flip") {
		settings.Mirror, settings.Flip = only(!passed || orients, k.Mirror), only(!passed || orients, k.Flip)
	}
	if !given("overlay") {
		settings.Overlay = only(!passed || overlays, k.Overlay)
	}
}

// only returns v, or nil if it is not possible.
func only[T any](possible bool, v T) (result T) {
	if possible {
		result = v
	}
	return result
}
