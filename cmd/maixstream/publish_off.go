//go:build nopublish

package main

import (
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/publish"
)

// publishFlags are empty in a program built without publishing.
type publishFlags struct{}

func addPublishFlags(*pflag.FlagSet) *publishFlags { return &publishFlags{} }

func (*publishFlags) check(string) error { return nil }

type publications struct{}

func (*publishFlags) start(*pipeline.Video, terminal, *zap.Logger) (*publications, error) {
	return nil, nil
}

func (*publications) state() []publish.State { return nil }

func (*publications) close() {}
