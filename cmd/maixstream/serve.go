package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// closeWithin bounds the shutdown after a signal.
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
	outliveReaders()
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
	if s.state = s.openState(t.env, log); s.state != nil {
		s.kept = s.state.settings(*s.source)
	}
	feed, err := s.startPipeline(ctx, log, s.idleFPS)
	if err != nil {
		return err
	}
	defer feed.close()

	var recording *record.Switch
	if *s.record != "" {
		c := record.Config{Dir: *s.record, MaxBytes: int64(s.recordMax), FPS: feed.fps, Log: log}
		if s.recordAs.value == "mp4" {
			c.Video = feed.pipeline.Video()
		} else {
			c.Ring, c.Watch = feed.ring, feed.pipeline.Watch
		}
		recording = record.NewSwitch(c)
		if err := recording.Set(true); err != nil {
			return err
		}
		defer func() { _ = recording.Close() }() // Close logs why it failed
	}
	pushes, endPushes, err := s.startPushes(feed, log)
	if err != nil {
		return err
	}
	defer endPushes()
	published, err := s.publish.start(feed.pipeline.Video(), t, log)
	if err != nil {
		return err
	}
	defer published.close()
	peers, err := s.webrtc.start(s, log)
	if err != nil {
		return err
	}
	defer s.webrtc.close()
	var media media
	judge := health{feed.pipeline, recording, watchdogPatience + *s.stallTimeout}
	shell, shown, err := s.newServer(stream.Config{
		Feed: feed.pipeline, Recording: recording, Pushes: pushes, Publications: published.state, RTSP: media.state, WebRTC: peers, Keep: s.keeper(),
	}, judge, log)
	if err != nil {
		return err
	}
	defer shown.Close()
	if err := shell.Start(); errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w, such as --listen 8001", err)
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
	s.webrtc.explain(log)
	video := feed.pipeline.Video()
	s.printAddresses(t.out, shell.URLs(), func() bool { return video != nil && video.Err() == nil })
	defer s.announce(ctx, shell, log)()
	running := &service{
		flags: s, terminal: t, log: log, pipeline: feed.pipeline, web: shell, stream: shown, media: &media, line: line,
		health: judge,
	}
	running.run(ctx)
	if ctx.Err() == nil { // the source ended
		err := feed.pipeline.Err()
		if !errors.Is(err, frame.ErrEnd) {
			return err // also if the source is stuck: whoever started the program restarts it
		}
		log.Info("source ended", zap.Error(err))
	}
	return nil
}

// newServer returns the HTTP server and its handlers; its errors are invalid flags and files.
func (s *serveFlags) newServer(shown stream.Config, judge health, log *zap.Logger) (*web.Server, *stream.Handler, error) {
	html, err := s.page()
	if err != nil {
		return nil, nil, err
	}
	config := s.webConfig(log)
	config.Health = judge.report
	shell, err := web.New(config)
	if err != nil {
		return nil, nil, usageError{err}
	}
	shown.Hints = stream.Hints{
		Recording: "restart with --record DIR", FullSnapshot: "a MaixCAM's camera or a webcam does with --full-snapshot",
		Keep:  "restart without --state-file none",
		Video: "restart without --h264 off", WebRTC: "restart with --webrtc :8189",
	}
	shown.Shell, shown.HTML, shown.StallTimeout, shown.Version, shown.Name, shown.Log = shell, html, *s.stallTimeout, thisProgram().version, *s.name, log
	handler, err := stream.New(shown)
	if err != nil {
		return nil, nil, err
	}
	shell.Mount("/", handler)
	return shell, handler, nil
}

func (s *serveFlags) webConfig(log *zap.Logger) web.Config {
	config := web.Config{
		Listen: *s.listen, Unix: *s.unix, SocketActivation: os.Getenv("LISTEN_FDS") != "", MaxClients: s.maxClients.value, StallTimeout: *s.stallTimeout,
		Name: *s.name, Log: log,
	}
	s.guard.apply(&config)
	config.Control = s.rights
	if !s.listenGiven() { // systemd's sockets replace the default
		config.Listen = nil
	}
	return config
}

// page reads the page named by --html; nil is the built-in one.
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

// reportLine is for benchmarking: time, fps, ms.
func reportLine(now time.Time, s stream.State) string {
	line := fmt.Sprintf("%s  %5.1f fps  %6.2f ms  %d viewers  %.2f MB/s", now.Format(time.TimeOnly), s.FPS, s.EncodeMS.P50, s.Server.Viewers, s.Server.BytesPerSec/1e6)
	switch {
	case !s.Signal:
		line += "  no signal: " + s.Reason
	case s.Idle:
		line += "  (no viewers: idle)"
	}
	return line
}

// limitMemory keeps the garbage collector's heap small on a board: Linux has about 150 MiB there.
func limitMemory() {
	const limit = 48 << 20
	if os.Getenv("GOMEMLIMIT") == "" && smallMachine() {
		debug.SetMemoryLimit(limit)
	}
}

// smallMachine reports whether memory is scarce, as on a MaixCAM.
func smallMachine() bool { return totalMemory() < 512<<20 }
