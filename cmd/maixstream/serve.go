package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// closeWithin is how long a signal may take to end everything.
const closeWithin = 1500 * time.Millisecond

func setupServe(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	s := addServeFlags(flags)
	return func(ctx context.Context, _ []string, t terminal) error {
		if err := s.check(); err != nil {
			return err
		}
		return s.serve(ctx, t)
	}
}

func (s *serveFlags) serve(ctx context.Context, t terminal) error {
	var line *statusLine
	if isTerminal(t.out) {
		line = &statusLine{out: t.out.(*os.File)}
		defer line.end()
		if isTerminal(t.err) {
			t.err = line.above(t.err)
		}
	}
	log := s.logger(t.err)
	limitMemory()
	s.state = s.openState(t.env, log)
	feed, err := s.startPipeline(log, s.idleFPS)
	if err != nil {
		return err
	}
	defer feed.close()

	var recording *record.Switch
	if *s.record != "" {
		recording = record.NewSwitch(record.Config{
			Ring: feed.ring, Watch: feed.pipeline.Watch, Dir: *s.record, MaxBytes: int64(s.recordMax), FPS: float64(s.fps), Log: log,
		})
		if err := recording.Set(true); err != nil {
			return err
		}
		defer func() { _ = recording.Close() }() // it logs why it failed
	}
	pushes, endPushes, err := s.startPushes(feed, log)
	if err != nil {
		return err
	}
	defer endPushes()
	var media media
	shell, shown, err := s.newServer(stream.Config{Feed: feed.pipeline, Recording: recording, Pushes: pushes, RTSP: media.state}, log)
	if err != nil {
		return err
	}
	defer shown.Close()
	if err := shell.Start(); errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w (another port: --listen 8001)", err)
	} else if err != nil {
		return err
	}
	defer func() {
		shown.Close()
		closing, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if err := shell.Close(closing); err != nil {
			log.Warn("closing the server", zap.Error(err))
		}
	}()
	defer media.close()
	if err := media.start(s, feed.pipeline, shell, log); err != nil {
		return err
	}
	s.printAddresses(t.out, shell.URLs())
	defer s.announce(ctx, shell, log)()
	running := &service{
		flags: s, terminal: t, log: log, pipeline: feed.pipeline, web: shell, stream: shown, media: &media, line: line,
		patience: watchdogPatience + *s.stallTimeout,
	}
	running.run(ctx)
	if ctx.Err() == nil { // the source has come to its end
		err := feed.pipeline.Err()
		if !errors.Is(err, frame.ErrEnd) {
			return err // of a source that is stuck, too: who started the program starts it again
		}
		log.Info("the source has ended", zap.Error(err))
	}
	return nil
}

// newServer makes the HTTP server and what it shows; what it refuses are invalid flags and files.
func (s *serveFlags) newServer(shown stream.Config, log *zap.Logger) (*web.Server, *stream.Handler, error) {
	html, err := s.page()
	if err != nil {
		return nil, nil, err
	}
	shell, err := web.New(s.webConfig(log))
	if err != nil {
		return nil, nil, usageError{err}
	}
	shown.Hints = stream.Hints{Recording: "start the program with --record DIR", FullSnapshot: "a MaixCAM's camera does with --full-snapshot", Video: "start the program without --h264 off"}
	shown.Shell, shown.HTML, shown.StallTimeout, shown.Version, shown.Log = shell, html, *s.stallTimeout, thisProgram().version, log
	handler, err := stream.New(shown)
	if err != nil {
		return nil, nil, err
	}
	shell.Mount("/", handler)
	return shell, handler, nil
}

const originHint = "--cors ORIGIN allows one"

func (s *serveFlags) webConfig(log *zap.Logger) web.Config {
	config := web.Config{
		Listen: *s.listen, Unix: *s.unix, SocketActivation: os.Getenv("LISTEN_FDS") != "", MaxClients: s.maxClients.value, StallTimeout: *s.stallTimeout,
		CORS: *s.cors, AuthFile: *s.authFile, TokenFile: *s.tokenFile, TLSCert: *s.tlsCert, TLSKey: *s.tlsKey, Log: log,
		OriginHint: originHint,
	}
	if !s.listenGiven() { // the default steps back for systemd's sockets
		config.Listen = nil
	}
	return config
}

// page reads the page that --html names; nil: the built-in one.
func (s *serveFlags) page() ([]byte, error) {
	if *s.html == "" {
		return nil, nil
	}
	page, err := os.ReadFile(*s.html)
	if err != nil {
		return nil, usagef("--html: %w", err)
	}
	return page, nil
}

// reportLine is what a person who benchmarks reads: time, fps, ms.
func reportLine(now time.Time, s stream.State) string {
	line := fmt.Sprintf("%s  %5.1f fps  %6.2f ms  %d viewers  %.2f MB/s", now.Format(time.TimeOnly), s.FPS, s.EncodeMS.P50, s.Server.Viewers, s.Server.BytesPerSec/1e6)
	switch {
	case !s.Signal:
		line += "  no signal: " + s.Reason
	case s.Idle:
		line += "  (no viewers: resting)"
	}
	return line
}

// feed is a pipeline with its ring.
type feed struct {
	pipeline *pipeline.Pipeline
	ring     *ring.Ring
	video    *video.Log // nil: none
}

func (f *feed) close() {
	f.pipeline.Close()
	f.ring.Close()
	if f.video != nil {
		f.video.Close()
	}
}

// startPipeline opens the source for the first time, so that a wrong name ends the program instead of showing "no signal", and runs it.
func (s *sourceFlags) startPipeline(log *zap.Logger, idleFPS fpsValue) (*feed, error) {
	settings := s.settings()
	if err := s.findLibraries(); err != nil {
		return nil, err
	}
	first, err := s.open(settings, log)
	switch {
	case errors.Is(err, frame.ErrGone): // it may come: the pipeline says so, tries again, and shows "no signal" until then
	case errors.Is(err, frame.ErrUnsupported):
		return nil, err
	case err != nil:
		return nil, usageError{err}
	default:
		if err := errors.Join(s.checkOpened(first), s.checkControls(first)); err != nil {
			_ = first.Close()
			return nil, err
		}
	}
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
		NewEncoder: hw.NewEncoder, Workers: s.workers.value, NewTransform: hw.NewTransform, NoSignal: hw.NoSignal,
		Ring: frames, Settings: settings, ControlWishes: s.wishes(), IdleFPS: float64(idleFPS), Retry: s.retry(), EndIsFinal: !*s.loop || *s.source == "-", Log: log,
	}
	if s.state != nil {
		config.Controls = s.state.controls(*s.source)
		config.KeepControls = func(v []frame.ControlValue) { s.state.keep(*s.source, v) }
	}
	var units *video.Log
	if s.video != nil {
		if units, err = s.video.configure(&config); err != nil {
			closeSource(first)
			frames.Close()
			return nil, err
		}
	}
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
	return &feed{p, frames, units}, nil
}

// retry is the longest wait before a source that is away is opened again. Looking for a webcam costs nothing; a MaixCAM's camera is set up each time.
func (s *sourceFlags) retry() time.Duration {
	if strings.HasPrefix(*s.source, "v4l2:") {
		return time.Second
	}
	return 0
}

// settings are the pictures that the flags ask for.
func (s *sourceFlags) settings() pipeline.Settings {
	rotate, _ := strconv.Atoi(s.rotate.value)
	return pipeline.Settings{
		Quality: s.quality.value, FPS: float64(s.fps), Width: s.size.width, Height: s.size.height,
		Mirror: *s.mirror, Flip: *s.flip, Rotate: rotate, Overlay: *s.overlay,
	}
}

// findLibraries makes the chip's libraries be found where --mpi-lib-dir says.
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

// open opens the source that the flags name.
func (s *sourceFlags) open(now pipeline.Settings, log *zap.Logger) (frame.Source, error) {
	if source.IsURL(*s.source) {
		opened, err := source.OpenURL(*s.source, now.FPS)
		if err != nil {
			return nil, say(err, *s.source)
		}
		return opened, nil
	}
	source, err := hw.OpenSource(hw.SourceConfig{
		Name: *s.source, Width: now.Width, Height: now.Height, FPS: now.FPS, Once: !*s.loop, Quality: now.Quality,
		Mirror: now.Mirror, Flip: now.Flip, Overlay: now.Overlay, Log: log,
		Camera: hw.CameraOptions{Path: s.path.value, LibDir: *s.mpiLibDir, Sensor: *s.sensor, Fit: s.fit.value, Still: *s.still},
	})
	if err != nil {
		return nil, say(s.advise(err), *s.source)
	}
	return source, nil
}

// checkOpened reports flags that the opened source cannot follow.
func (s *sourceFlags) checkOpened(source frame.Source) error {
	info := source.Info()
	if _, jpeg := source.(frame.JPEGSource); !jpeg {
		if s.encoder.value == "hardware" {
			return usagef("--encoder hardware: source %s delivers raw frames on this machine", info.Name)
		}
		return nil
	}
	_, orients := source.(frame.Orienter)
	_, overlays := source.(frame.Overlayer)
	const passed = "%s: the pictures of %s are JPEG already and are passed through as they are"
	switch {
	case s.rotate.value != "0":
		return usagef(passed, "--rotate "+s.rotate.value, info.Name)
	case (*s.mirror || *s.flip) && !orients:
		return usagef(passed, "--mirror, --flip", info.Name)
	case *s.overlay != "" && !overlays:
		return usagef(passed, "--overlay", info.Name)
	}
	return nil
}

// slotSize is room for the largest JPEG: of the size asked for, of the source's own, and of sizes that may be chosen later. It is address
// space; only what pictures fill becomes memory.
func slotSize(source frame.Source, s pipeline.Settings) int {
	const later = 6 << 20 // the bound at 1920x1080
	most := max(later, frame.MaxJPEGSize(s.Width, s.Height))
	if source != nil {
		if info := source.Info(); info.Width > 0 {
			most = max(most, frame.MaxJPEGSize(info.Width, info.Height))
		}
	}
	return most
}

// limitMemory keeps the garbage collector's heap small on a board: Linux has about 150 MiB there.
func limitMemory() {
	const limit = 48 << 20
	if os.Getenv("GOMEMLIMIT") == "" && smallMachine() {
		debug.SetMemoryLimit(limit)
	}
}

// smallMachine says whether memory is scarce, as on a MaixCAM.
func smallMachine() bool { return totalMemory() < 512<<20 }
