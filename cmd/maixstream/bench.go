package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench"
	"github.com/maixstream/maixstream/pipeline"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	*sourceFlags
	*logFlags
	frames   rangeValue
	duration *time.Duration
	clients  rangeValue
	json     *bool
	baseline *string
	profile  *string
}

func setupBench(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	b := &benchFlags{sourceFlags: addSourceFlags(flags), frames: rangeValue{0, 0, 1 << 20}, clients: rangeValue{8, 0, 4096}}
	b.duration = flags.DurationP("duration", "d", 0, "how long to measure (default 5s, unless --frames is given)")
	flags.VarP(&b.frames, "frames", "n", "measure for roughly this many frames instead")
	flags.Var(&b.clients, "clients", "viewers, opened and verified by a child process; 0: none")
	b.json = flags.Bool("json", false, "print the result as JSON, for --baseline and for programs")
	b.baseline = flags.String("baseline", "", "compare with an earlier result, a `FILE` written by --json")
	b.profile = flags.String("cpu-profile", "", "write a CPU profile of the measured time to this `FILE` (go tool pprof reads it)")
	b.logFlags = addLogFlags(flags)
	return func(ctx context.Context, _ []string, t terminal) error {
		if err := b.check(); err != nil {
			return err
		}
		return b.bench(ctx, t)
	}
}

func (b *benchFlags) check() error {
	switch {
	case *b.duration < 0:
		return usagef("--duration %v: must not be negative", *b.duration)
	case *b.duration > 0 && b.frames.value > 0:
		return usagef("--duration and --frames are mutually exclusive")
	case b.clients.value > 0 && !bench.DeliverySupported:
		b.clients.value = 0
	}
	if *b.duration == 0 && b.frames.value == 0 {
		*b.duration = 5 * time.Second
	}
	return b.sourceFlags.check()
}

func (b *benchFlags) bench(ctx context.Context, t terminal) error {
	limitMemory()
	var before *bench.Result
	if *b.baseline != "" {
		var err error
		if before, err = bench.ReadResult(*b.baseline); err != nil {
			return usagef("--baseline: %w", err)
		}
	}
	progress, done := progressBar(t.err)
	log := b.logger(t.err)
	if progress != nil {
		log = b.logger(overBar{t.err})
	}
	settings := b.settings()
	config := bench.Config{
		NewEncoder: hw.NewEncoder, SlotSize: slotSize(nil, settings), Settings: settings,
		Clients: b.clients.value, Duration: *b.duration, Frames: b.frames.value,
		Start: func(instrument func(*pipeline.Config)) (bench.Feed, error) {
			b.instrument = instrument
			f, err := b.startPipeline(ctx, log, b.fps)
			if err != nil {
				return nil, err
			}
			return &benchFeed{f.pipeline, f}, nil
		},
	}
	if *b.source != "-" {
		config.Open = func() (frame.Source, error) {
			if err := b.findLibraries(); err != nil {
				return nil, err
			}
			source, err := b.open(settings, log)
			if err != nil && !errors.Is(err, frame.ErrGone) && !errors.Is(err, frame.ErrUnsupported) {
				err = usageError{err}
			}
			return source, err
		}
	}
	if *b.profile != "" {
		file, err := os.Create(*b.profile)
		if err != nil {
			return usagef("--cpu-profile: %w", err)
		}
		defer file.Close()
		config.Profile = file
	}
	config.Progress = progress
	result, err := bench.Run(ctx, config)
	done()
	if err != nil {
		return err
	}
	self := thisProgram()
	result.Version, result.Commit = self.version, self.commit
	if *b.json {
		return result.WriteJSON(t.out)
	}
	return result.WriteTable(t.out, before)
}

// benchFeed is a pipeline that closes its ring, too.
type benchFeed struct {
	*pipeline.Pipeline
	feed *feed
}

func (f *benchFeed) Close() { f.feed.close() }

const clearLine = "\r\x1b[K"

// overBar writes over the progress bar, which is then redrawn below.
type overBar struct{ out io.Writer }

func (o overBar) Write(text []byte) (int, error) {
	if _, err := io.WriteString(o.out, clearLine); err != nil {
		return 0, err
	}
	return o.out.Write(text)
}

// progressBar draws on out if that is a terminal (otherwise progress is nil); done erases it.
func progressBar(out io.Writer) (progress func(float64, string), done func()) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	const width = 30
	progress = func(part float64, doing string) {
		full := int(min(max(part, 0), 1) * width)
		fmt.Fprintf(out, clearLine+"%s  [%s%s] %3.0f %%", doing, strings.Repeat("#", full), strings.Repeat(".", width-full), 100*part)
	}
	return progress, func() { fmt.Fprint(out, clearLine) }
}
