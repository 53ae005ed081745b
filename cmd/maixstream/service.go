package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// service is a running serve: it reports, reloads on SIGHUP, and notifies the service manager.
type service struct {
	flags    *serveFlags // currently in force
	terminal terminal
	log      *zap.Logger
	pipeline *pipeline.Pipeline
	web      *web.Server
	stream   *stream.Handler
	media    *media
	line     *statusLine // nil unless standard output is a terminal
	health   health

	pending []string // changed flags that wait for an unavailable source
}

// run returns after a signal or when the source ends.
func (s *service) run(ctx context.Context) {
	hangup, stop := hangups(s.terminal.in)
	defer stop()
	report := newReport(s.reportEvery())
	defer func() { report.Stop() }()
	watchdog, pings := newWatchdog(s.log)
	defer watchdog.Stop()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()

	s.notify(daemon.SdNotifyReady)
	defer s.notify(daemon.SdNotifyStopping)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.pipeline.Done():
			return
		case now := <-report.C:
			s.report(reportLine(now, s.stream.State()))
		case <-hangup:
			s.notify(reloading())
			s.reload(ctx)
			s.notify(daemon.SdNotifyReady)
			report.Stop()
			report = newReport(s.reportEvery())
		case <-retry.C:
			if len(s.pending) > 0 {
				s.changeSource(ctx)
			}
		case <-watchdog.C:
			state := s.stream.State()
			status := fmt.Sprintf("STATUS=%.1f fps, %d viewers", state.FPS, state.Server.Viewers)
			if !state.Signal {
				status = "STATUS=no signal: " + state.Reason
			}
			problem, restart := s.health.check()
			if problem != nil {
				status = "STATUS=" + strings.ReplaceAll(problem.Error(), "\n", "; ")
			}
			if pings && !restart {
				status = daemon.SdNotifyWatchdog + "\n" + status
			} else if pings {
				s.log.Error("no progress; withholding watchdog ping", zap.Error(problem))
			}
			s.notify(status)
		}
	}
}

// report prints the state, in the terminal's status line or as a line.
func (s *service) report(text string) {
	if s.line != nil {
		s.line.show(text)
		return
	}
	fmt.Fprintln(s.terminal.out, text)
}

// reportEvery returns the report interval.
func (s *service) reportEvery() time.Duration {
	if s.line != nil && !s.flags.flags.Changed("report") {
		return time.Second
	}
	return *s.flags.report
}

// newReport ticks for each report; never if every is 0.
func newReport(every time.Duration) *time.Ticker {
	if every > 0 {
		return time.NewTicker(every)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

// statusEvery is how often the text of systemctl status is updated without a watchdog.
const statusEvery = 10 * time.Second

// newWatchdog ticks twice per watchdog timeout of the service manager (sd_watchdog_enabled(3)). pings reports whether it expects
// pings.
func newWatchdog(log *zap.Logger) (t *time.Ticker, pings bool) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("service manager's watchdog disabled", zap.Error(err))
	}
	if limit > 0 {
		return time.NewTicker(max(limit/2, time.Millisecond)), true
	}
	return time.NewTicker(statusEvery), false
}

// notify notifies the service manager, if there is one (sd_notify(3)).
func (s *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("notifying the service manager failed", zap.String("state", state), zap.Error(err))
	}
}

// hangups delivers SIGHUP. On a terminal it means that the user has gone, under nohup that it is to be ignored: both are left as they are.
func hangups(in io.Reader) (c <-chan os.Signal, stop func()) {
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) || signal.Ignored(syscall.SIGHUP) {
		return nil, func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
