package main

import (
	"context"
	"io"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/packaging"
)

func setupConfig(*pflag.FlagSet) func(context.Context, []string, terminal) error {
	return func(_ context.Context, _ []string, t terminal) error {
		_, err := io.WriteString(t.out, packaging.Sample)
		return err
	}
}
