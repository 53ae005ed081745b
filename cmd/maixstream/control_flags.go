package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// wishes returns the controls that --control, --zoom and --pan ask for.
func (s *sourceFlags) wishes() (wishes []pipeline.ControlWish) {
	if s.zoom > 1 {
		percent := func(name string, v float64) {
			wishes = append(wishes, pipeline.ControlWish{Name: name, Text: fmt.Sprint(math.Round(v))})
		}
		percent("zoom_absolute", float64(s.zoom)*100)
		percent("pan_absolute", (s.pan.x-0.5)*200)
		percent("tilt_absolute", (0.5-s.pan.y)*200)
	}
	return append(wishes, controlWishes(*s.control)...)
}

// controlWishes parses NAME=VALUE; check has verified that both are present.
func controlWishes(texts []string) (wishes []pipeline.ControlWish) {
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		wishes = append(wishes, pipeline.ControlWish{Name: strings.ReplaceAll(strings.TrimSpace(name), "-", "_"), Text: value})
	}
	return wishes
}

// checkControls rejects controls that an opened source lacks, values that it does not accept, and --zoom if the source has a zoom control itself.
func (s *sourceFlags) checkControls(source frame.Source) error {
	if s.zoom <= 1 && len(*s.control) == 0 {
		return nil
	}
	list, err := pipeline.ControlsOf(source, true)
	if err != nil {
		return err
	}
	if own := frame.FindControl(list, "zoom_absolute"); s.zoom > 1 {
		switch {
		case own == nil:
			return usagef("--zoom: the pictures of %s are passed through as they are", source.Info().Name)
		case own.Unit != "%":
			return usagef("--zoom: %s has its own zoom: use --control zoom_absolute=N (%s)", source.Info().Name, own.Range())
		}
	}
	if _, err := pipeline.Understand(list, s.wishes()); err != nil {
		var refused *frame.ControlError
		if errors.As(err, &refused) {
			return usageError{fmt.Errorf("--control: %w", err)}
		}
		return err
	}
	return nil
}

// openState opens the file in which serve keeps controls.
func (s *serveFlags) openState(env func(string) (string, bool), log *zap.Logger) *stateFile {
	path := *s.stateFile
	switch path {
	case "none":
		return nil
	case "":
		path = defaultStateFile(env)
	}
	return &stateFile{path: path, log: log}
}
