package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/pipeline/ring"
)

func setupSnapshot(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	source, logs := addSourceFlags(flags), addLogFlags(flags)
	wait := flags.Duration("timeout", 10*time.Second, "give up when no picture has come by then")
	return func(ctx context.Context, args []string, t terminal) error {
		if len(args) != 1 {
			return usagef("one FILE for the picture, or - for standard output")
		}
		if *wait <= 0 {
			return usagef("--timeout %v: must be more than 0", *wait)
		}
		if err := source.check(); err != nil {
			return err
		}
		feed, err := source.startPipeline(logs.logger(t.err), 0)
		if err != nil {
			return err
		}
		defer feed.close()
		ctx, cancel := context.WithTimeout(ctx, *wait)
		defer cancel()
		var f ring.Frame
		if err := feed.pipeline.Snapshot(ctx, time.Time{}, &f); err != nil {
			return fmt.Errorf("no picture: %w", err)
		}
		defer f.Release()
		if args[0] == "-" {
			_, err := t.out.Write(f.JPEG())
			return err
		}
		return writeWhole(args[0], f.JPEG())
	}
}

// writeWhole writes a file so that it is there whole or not at all. What is there and is no file, a device or a pipe, is written to and stays
// what it is.
func writeWhole(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		_, err = file.Write(data)
		return errors.Join(err, file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(file.Name()) // once renamed there is nothing to remove
	if _, err := file.Write(data); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Chmod(0o644); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(file.Name(), path)
}
