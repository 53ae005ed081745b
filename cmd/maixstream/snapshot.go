package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/internal/wholefile"
	"github.com/maixstream/maixstream/pipeline/ring"
)

func setupSnapshot(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	source, logs := addSourceFlags(flags), addLogFlags(flags)
	wait := flags.Duration("timeout", 10*time.Second, "give up if there is no picture within this time")
	return func(ctx context.Context, args []string, t terminal) error {
		if len(args) != 1 || args[0] == "" {
			return usagef("name one FILE for the picture, or - for standard output")
		}
		if *wait <= 0 {
			return usagef("--timeout %v: must be more than 0", *wait)
		}
		if err := source.check(); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, *wait)
		defer cancel()
		late := func(err error) error {
			if limited.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("no picture from %s within %v (--timeout)", shownSource(*source.source), *wait)
			}
			return err
		}
		feed, err := source.startPipeline(limited, logs.logger(t.err), 0)
		if err != nil {
			return late(err)
		}
		defer feed.close()
		var f ring.Frame
		if err := feed.pipeline.Snapshot(limited, time.Time{}, &f); err != nil {
			return late(fmt.Errorf("no picture: %w", err))
		}
		defer f.Release()
		picture := bytes.Clone(f.JPEG()) // outlives the frame if writing is given up
		return untilDone(ctx, func() error {
			if args[0] == "-" {
				_, err := t.out.Write(picture)
				return err
			}
			return wholefile.Write(args[0], picture, 0o644)
		})
	}
}

// untilDone returns write's result, or gives up waiting for it when ctx is done: a pipe that nobody reads blocks its writer.
func untilDone(ctx context.Context, write func() error) error {
	written := make(chan error, 1)
	go func() { written <- write() }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the picture was not written: %w", context.Cause(ctx))
	}
}
