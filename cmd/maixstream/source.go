package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/secretfile"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/stream"
)

// feed is a pipeline and its ring.
type feed struct {
	pipeline *pipeline.Pipeline
	ring     *ring.Ring
	video    *video.Log // nil without H.264
	fps      float64    // initial
}

func (f *feed) close() {
	f.pipeline.Close()
	f.ring.Close()
	if f.video != nil {
		f.video.Close()
	}
}

// startPipeline opens the source for the first time, so that a wrong name ends the program rather than showing "no signal", and runs it. ctx bounds the
// first opening.
func (s *sourceFlags) startPipeline(ctx context.Context, log *zap.Logger, idleFPS fpsValue) (*feed, error) {
	settings := s.settings()
	s.applyKept(&settings, nil)
	if err := s.findLibraries(); err != nil {
		return nil, err
	}
	secretfile.Warn(log, *s.sourceAuth)
	first, err := s.openFirst(ctx, settings, log)
	switch {
	case errors.Is(err, frame.ErrGone): // it may appear later: the pipeline logs this, retries, and shows "no signal" meanwhile
	case errors.Is(err, frame.ErrUnsupported), ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, usageError{err}
	default:
		if err := errors.Join(s.checkOpened(first), s.checkControls(first)); err != nil {
			_ = first.Close()
			return nil, err
		}
		if own := ownRate(first); own > 0 && !s.fpsGiven() {
			settings.FPS = own
		}
	}
	s.applyKept(&settings, first)
	frames, err := ring.New(ring.Config{SlotSize: slotSize(first, settings), Envelope: stream.Envelope()})
	if err != nil {
		closeSource(first)
		return nil, err
	}
	config := pipeline.Config{
		Open: func(_ context.Context, now pipeline.Settings) (frame.Source, error) {
			if opened := first; opened != nil {
				first = nil
				return opened, nil
			}
			return s.open(now, log)
		},
		NewEncoder: hw.NewEncoder, NewDecoder: hw.NewVideoDecoder, Workers: s.workers.value, NewTransform: hw.NewTransform, NoSignal: hw.NoSignal,
		Ring: frames, Settings: settings, ControlWishes: s.wishes(), IdleFPS: float64(idleFPS),
		Retry: s.retry(), EndIsFinal: !*s.loop || *s.source == "-", Explain: s.explain, Log: log,
	}
	if s.state != nil {
		config.Controls = s.state.controls(*s.source)
		config.KeepControls = func(v []frame.ControlValue) { s.state.keep(*s.source, v) }
	}
	var units *video.Log
	if s.video != nil {
		if units, err = s.video.configure(&config, first); err != nil {
			closeSource(first)
			frames.Close()
			return nil, err
		}
	}
	s.applyKept(&config.Settings, first)
	if s.instrument != nil {
		s.instrument(&config)
	}
	p, err := pipeline.New(config)
	if err != nil {
		closeSource(first)
		frames.Close()
		return nil, usageError{err}
	}
	p.Start()
	return &feed{p, frames, units, settings.FPS}, nil
}

// retry returns the longest interval between attempts to reopen a source. Looking for a webcam, or into a pipe, costs nothing; a MaixCAM's camera is set up each time.
func (s *sourceFlags) retry() time.Duration {
	if strings.HasPrefix(*s.source, "v4l2:") || *s.source == "-" {
		return time.Second
	}
	return 0
}

// settings returns the picture settings of the flags.
func (s *sourceFlags) settings() pipeline.Settings {
	rotate, _ := strconv.Atoi(s.rotate.value)
	return pipeline.Settings{
		Quality: s.quality.value, FPS: float64(s.fps), Width: s.size.width, Height: s.size.height,
		Mirror: *s.mirror, Flip: *s.flip, Rotate: rotate, Overlay: *s.overlay,
	}
}

// findLibraries makes the loader search --mpi-lib-dir for the chip's libraries.
func (s *sourceFlags) findLibraries() error {
	if *s.mpiLibDir == "" {
		return nil
	}
	return searchLibrariesIn(*s.mpiLibDir)
}

func closeSource(s frame.Source) {
	if s != nil {
		_ = s.Close()
	}
}

// openFirst opens the source for the first time. It stops waiting when ctx ends.
func (s *sourceFlags) openFirst(ctx context.Context, settings pipeline.Settings, log *zap.Logger) (frame.Source, error) {
	if !s.fpsGiven() {
		settings.FPS = 0 // the source's own
	}
	type opened struct {
		source frame.Source
		err    error
	}
	result := make(chan opened, 1)
	go func() {
		source, err := s.open(settings, log)
		result <- opened{source, err}
	}()
	select {
	case o := <-result:
		return o.source, o.err
	case <-ctx.Done():
		go func() { closeSource((<-result).source) }()
		return nil, ctx.Err()
	}
}

// fpsGiven reports whether the user asked for a frame rate.
func (s *sourceFlags) fpsGiven() bool { return s.paced || s.set.Changed("fps") }

// ownRate returns the frame rate at which a source's pictures are meant to be shown, 0 if it has none.
func ownRate(source frame.Source) float64 {
	switch info := source.Info(); info.Kind {
	case "avi", "y4m", "mjpeg", "h264", "polled":
		return min(info.FPS, maxFPS)
	}
	return 0
}

// explain rewords errors of sources, with the flags that help.
func (s *sourceFlags) explain(err error) string {
	var large *frame.TooLargeError
	if errors.As(err, &large) {
		return fmt.Sprintf("%v for %s; raise --size", large, s.size.String())
	}
	return withoutPackages(err.Error())
}

// shownSource returns a --source for logs, without a URL's secrets.
func shownSource(name string) string {
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return u.String()
	}
	return name
}

// open opens the source that the flags name.
func (s *sourceFlags) open(now pipeline.Settings, log *zap.Logger) (frame.Source, error) {
	source, err := hw.OpenSource(hw.SourceConfig{
		Name: *s.source, Width: now.Width, Height: now.Height, FPS: now.FPS, Once: !*s.loop, Quality: now.Quality,
		Mirror: now.Mirror, Flip: now.Flip, Overlay: now.Overlay, Recursive: *s.recursive, Background: s.background.color, AuthFile: *s.sourceAuth, Log: log,
		Camera: hw.CameraOptions{Path: s.path.value, LibDir: *s.mpiLibDir, Sensor: *s.sensor, Fit: s.fit.value, Still: *s.still},
	})
	if err != nil {
		return nil, say(s.advise(err), shownSource(*s.source))
	}
	return source, nil
}

// checkOpened rejects flags that the opened source does not support.
func (s *sourceFlags) checkOpened(source frame.Source) error {
	info := source.Info()
	_, jpeg := source.(frame.JPEGSource)
	_, raw := source.(frame.RawSource)
	kind := "JPEG"
	if !jpeg && !raw {
		kind = "H.264"
	}
	if !jpeg {
		if s.encoder.value == "hardware" {
			return usagef("--encoder hardware: the JPEGs of source %s are made by software", info.Name)
		}
		if raw {
			return nil
		}
	}
	_, orients := source.(frame.Orienter)
	_, overlays := source.(frame.Overlayer)
	const passed = "%s: the pictures of %s are %s already and are passed through as they are"
	switch {
	case s.rotate.value != "0":
		return usagef(passed, "--rotate "+s.rotate.value, info.Name, kind)
	case (*s.mirror || *s.flip) && !orients:
		return usagef(passed, "--mirror, --flip", info.Name, kind)
	case *s.overlay != "" && !overlays:
		return usagef(passed, "--overlay", info.Name, kind)
	}
	return nil
}

// slotSize returns room for the largest JPEG: of the requested size, the source's, and sizes that may be selected later. It is address
// space; only what pictures fill becomes memory.
func slotSize(source frame.Source, s pipeline.Settings) int {
	const (
		later = 6 << 20  // the bound at 1920x1080
		whole = 32 << 20 // the largest that sources pass through
	)
	most := max(later, frame.MaxJPEGSize(s.Width, s.Height))
	if source != nil {
		if info := source.Info(); info.Width > 0 {
			need := frame.MaxJPEGSize(info.Width, info.Height)
			if _, ready := source.(frame.JPEGSource); ready {
				need = min(need, whole)
			}
			most = max(most, need)
		}
	}
	return most
}
