package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/push"
)

func setupPush(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	p := addPushFlags(flags)
	return func(ctx context.Context, args []string, t terminal) error {
		if len(args) == 0 {
			return usagef("URL missing: maixstream push [flags] URL [FILE...]")
		}
		if err := p.check(len(args) > 1); err != nil {
			return err
		}
		limitMemory()
		return p.push(ctx, args[0], args[1:], t)
	}
}

func (p *pushFlags) push(ctx context.Context, url string, files []string, t terminal) error {
	out := newPushReport(t, len(files) == 0 && p.count.value != 1)
	log := p.logger(out)
	config, err := p.pusherConfig(url, len(files) > 0, log)
	if err != nil {
		return err
	}
	var source push.Source
	if len(files) > 0 {
		list, err := p.openFiles(files, t)
		if err != nil {
			return err
		}
		list.skip = func(name string, err error) { out.result(push.Result{Name: name, Err: err}) }
		source = list
	}
	config.OnResult = out.result
	pusher, err := push.New(config)
	if err != nil {
		return usageError{err}
	}
	defer pusher.Close()
	var live *liveSource // nil for FILEs
	if source == nil {
		if live, err = p.openLive(ctx, log); err != nil {
			return err
		}
		defer live.end()
		source = live.Live
	}
	defer out.follow(pusher)()
	err = pusher.Run(ctx, source)
	out.end(pusher.State())
	if live != nil && err == nil && ctx.Err() == nil && received(pusher.State()) == 0 {
		return live.empty(*p.source)
	}
	return p.verdict(ctx, err, pusher.State(), out, t)
}

// liveSource is a source whose pictures become outdated.
type liveSource struct {
	push.Live
	end   func()       // closes it
	ended func() error // why the source ended; nil or frame.ErrEnd: regularly
}

// empty returns the error of a source that ended without a picture, for no other known reason.
func (l *liveSource) empty(name string) error {
	if name == "-" {
		name = "standard input"
	}
	const text = "push: the source (%s) ended without a single picture"
	if why := l.ended(); why != nil {
		return fmt.Errorf(text+": %w", name, why)
	}
	return fmt.Errorf(text, name)
}

// received counts the pictures from the source, delivered or not.
func received(s push.State) uint64 {
	if s.Spool != nil { // may hold pictures of an earlier run
		return s.Spool.Kept + s.GivenUp + s.Skipped
	}
	return s.Delivered + s.Refused + s.GivenUp + s.Skipped
}

// openLive opens the source that the flags name.
func (p *pushFlags) openLive(ctx context.Context, log *zap.Logger) (*liveSource, error) {
	if p.format.value == "png" {
		return p.openPNG(log)
	}
	idle := p.fps
	if p.rare > 0 {
		idle = fpsValue(pace.MinFPS)
	}
	feed, err := p.startPipeline(ctx, log, idle)
	if err != nil {
		return nil, err
	}
	frames := push.FromRing(push.RingConfig{Ring: feed.ring, Watch: feed.pipeline.Watch, Every: p.rare, Done: feed.pipeline.Done(), Err: feed.pipeline.Err})
	end := func() {
		frames.Close()
		feed.close()
	}
	return &liveSource{frames, end, feed.pipeline.Err}, nil
}

func (p *pushFlags) openPNG(log *zap.Logger) (*liveSource, error) {
	if *p.mpiLibDir != "" {
		if err := searchLibrariesIn(*p.mpiLibDir); err != nil {
			return nil, err
		}
	}
	camera, err := hw.OpenCamera(hw.CameraConfig{
		Source: *p.source, Width: p.size.width, Height: p.size.height, FPS: float64(p.fps), Log: log,
		Once: !*p.loop, Recursive: *p.recursive, Background: p.background.color, AuthFile: *p.sourceAuth,
		Options: hw.CameraOptions{Path: p.path.value, LibDir: *p.mpiLibDir, Sensor: *p.sensor, Fit: p.fit.value},
	})
	if err != nil {
		return nil, err
	}
	source := newPNGSource(camera, float64(p.fps))
	return &liveSource{source, source.close, source.ended}, nil
}

// verdict returns the verb's result.
func (p *pushFlags) verdict(ctx context.Context, err error, s push.State, out *pushReport, t terminal) error {
	if s.Spool != nil && s.Spool.Waiting > 0 {
		fmt.Fprintf(t.err, "maixstream push: %d pictures wait in %s for the next push with this --spool\n", s.Spool.Waiting, s.Spool.Dir)
	}
	switch {
	case ctx.Err() != nil: // a signal is a regular end
		return nil
	case err != nil:
		return err
	case out.failures() > 0 || (s.Spool != nil && s.Spool.Waiting+int(s.Spool.Dropped+s.Spool.Damaged) > 0):
		return errReported
	}
	return nil
}

// pushReport prints each picture's result: one line per picture, or on a terminal one progress line.
type pushReport struct {
	mu       sync.Mutex
	t        terminal
	progress bool
	failed   int
	shown    bool // the progress line is on the terminal
	last     push.Result
}

func newPushReport(t terminal, many bool) *pushReport {
	file, ok := t.out.(*os.File)
	return &pushReport{t: t, progress: many && ok && term.IsTerminal(int(file.Fd()))}
}

func (r *pushReport) failures() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// maxReplyLine limits how much of a reply's text is printed, in characters.
const maxReplyLine = 1000

func (r *pushReport) result(one push.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one.Err != nil {
		r.failed++
		r.clear()
		name := one.Name
		if name != "" {
			name += ": "
		}
		fmt.Fprintf(r.t.err, "maixstream push: %s%s\n", name, strings.TrimPrefix(one.Err.Error(), "push: "))
		return
	}
	r.last = one
	if !r.progress {
		line := one.Reply.Status
		if text := push.OneLine(one.Reply.Text, maxReplyLine); text != "" {
			line += " " + text
		}
		fmt.Fprintln(r.t.out, line)
	}
}

// Write writes log lines to the terminal, above the progress line.
func (r *pushReport) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	return r.t.err.Write(line)
}

func (r *pushReport) clear() {
	if r.shown {
		fmt.Fprint(r.t.out, "\r\x1b[K")
		r.shown = false
	}
}

// follow updates the progress line until the returned function is called.
func (r *pushReport) follow(p *push.Pusher) (end func()) {
	if !r.progress {
		return func() {}
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.show(p.State())
			case <-stop:
				return
			}
		}
	})
	return func() {
		close(stop)
		wait.Wait()
	}
}

func (r *pushReport) show(s push.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	fmt.Fprint(r.t.out, progressLine(s, r.last))
	r.shown = true
}

// end leaves the last progress line on the terminal.
func (r *pushReport) end(s push.State) {
	if r.progress {
		r.show(s)
		fmt.Fprintln(r.t.out)
		r.mu.Lock()
		r.shown = false
		r.mu.Unlock()
	}
}

// progressLine summarizes the state, usually within 80 columns.
func progressLine(s push.State, last push.Result) string {
	line := fmt.Sprintf("%d sent, %s", s.Delivered, humanize.IBytes(s.Bytes))
	for _, one := range []struct {
		n    uint64
		what string
	}{{s.Skipped, "skipped"}, {s.Refused, "refused"}, {s.GivenUp, "given up"}} {
		if one.n > 0 {
			line += fmt.Sprintf(", %d %s", one.n, one.what)
		}
	}
	if s.Spool != nil {
		line += fmt.Sprintf(", %d waiting", s.Spool.Waiting)
		if s.Spool.Dropped > 0 {
			line += fmt.Sprintf(", %d dropped", s.Spool.Dropped)
		}
	}
	switch {
	case s.Away && s.RetryIn >= 1:
		return line + fmt.Sprintf("  not delivered: %s; next try in %.0f s", push.OneLine(s.Error, 60), s.RetryIn)
	case s.Away:
		return line + "  not delivered: " + push.OneLine(s.Error, 60)
	case last.Reply.Status != "":
		return line + fmt.Sprintf("  %s %.0f ms  %s", last.Reply.Status, s.MS, push.OneLine(last.Reply.Text, 40))
	}
	return line
}

// startPushes starts pushing the feed to every URL of --push. The returned functions report their state and stop them.
func (s *serveFlags) startPushes(feed *feed, log *zap.Logger) (state func() []push.State, end func(), err error) {
	var pushers []*push.Pusher
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	end = func() {
		cancel()
		running.Wait()
		for _, p := range pushers {
			p.Close()
		}
	}
	for _, url := range *s.pushes {
		config, err := s.target.config(url, log)
		if err == nil {
			if config.Spool != "" {
				config.Spool = spoolOf(config.Spool, url)
			}
			var p *push.Pusher
			if p, err = push.New(config); err == nil {
				pushers = append(pushers, p)
				continue
			}
		}
		end()
		var usage usageError
		if errors.As(err, &usage) {
			return nil, nil, err
		}
		return nil, nil, usagef("--push: %s", inWords(err, "push"))
	}
	for _, p := range pushers {
		source := push.FromRing(push.RingConfig{Ring: feed.ring, Watch: feed.pipeline.Watch, Every: *s.pushEvery, Done: feed.pipeline.Done()})
		running.Go(func() {
			defer source.Close()
			if err := p.Run(ctx, source); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
				log.Error("push ended", zap.String("url", p.State().URL), zap.Error(err))
			}
		})
	}
	return func() []push.State {
		list := make([]push.State, len(pushers))
		for i, p := range pushers {
			list[i] = p.State()
		}
		return list
	}, end, nil
}
